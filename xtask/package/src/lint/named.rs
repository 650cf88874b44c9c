//! The directives of sections that other directives name: services, channels, filters and so on.
//!
//! Sources: as in [`super::grammar`].

use super::kind::{Directive, Form, Kind};
use super::slots::{
    ADD_PROPERTY, ADD_REG, BIT_REG, BOOLEAN, COPY_FILES, DEL_FILES, DEL_PROPERTY, DEL_REG, INI2REG,
    NUMBER, PATH, REN_FILES, TEXT, UPDATE_INI_FIELDS, UPDATE_INIS, each, list, may, need, once,
};

pub(super) const SERVICE: &[Directive] = &[
    once("DisplayName", TEXT),
    once("Description", TEXT),
    once("ServiceType", &[need("service type", Form::Number)]),
    once(
        "StartType",
        &[need("start type", Form::OneOf(&[0, 1, 2, 3, 4]))],
    ),
    once(
        "ErrorControl",
        &[need("error control", Form::OneOf(&[0, 1, 2, 3]))],
    ),
    once("ServiceBinary", &[need("path", Form::Text)]),
    once("StartName", TEXT),
    ADD_REG,
    DEL_REG,
    BIT_REG,
    once("LoadOrderGroup", TEXT),
    list("Dependencies", TEXT),
    once("Security", &[need("security descriptor", Form::Sddl)]),
    list("RequiredPrivileges", TEXT),
    once("ServiceSidType", NUMBER),
    once("DelayedAutoStart", BOOLEAN),
    list(
        "AddTrigger",
        &[need(
            "service-trigger-install section",
            Form::Section(Kind::Trigger),
        )],
    ),
    once(
        "FailureActions",
        &[need(
            "service-failure-actions-install section",
            Form::Section(Kind::FailureActions),
        )],
    ),
    once("BootFlags", &[need("boot flags", Form::Flags(0xff))]),
];

pub(super) const EVENT_LOG: &[Directive] = &[ADD_REG, DEL_REG, BIT_REG];

pub(super) const TRIGGER: &[Directive] = &[
    once("TriggerType", TEXT),
    once("Action", TEXT),
    once("SubType", TEXT),
    list(
        "DataItem",
        &[need("data type", Form::Number), need("data", Form::Text)],
    ),
];

pub(super) const FAILURE_ACTIONS: &[Directive] = &[
    once("ResetPeriod", NUMBER),
    once("NonCrashFailures", BOOLEAN),
    each(
        "Action",
        &[
            need("action", Form::OneOf(&[0, 1, 2, 3, 4])),
            need("delay", Form::Number),
        ],
    ),
];

pub(super) const INTERFACE: &[Directive] = &[
    ADD_REG,
    ADD_PROPERTY,
    DEL_REG,
    DEL_PROPERTY,
    BIT_REG,
    COPY_FILES,
    DEL_FILES,
    REN_FILES,
    UPDATE_INIS,
    UPDATE_INI_FIELDS,
    INI2REG,
];

pub(super) const EVENT_PROVIDER: &[Directive] = &[
    once("ProviderName", TEXT),
    once("ResourceFile", PATH),
    once("MessageFile", PATH),
    once("ParameterFile", PATH),
    each("ImportChannel", &[need("channel name", Form::Text)]),
    each(
        "AddChannel",
        &[
            need("channel name", Form::Text),
            need("channel type", Form::OneOf(&[1, 2, 3, 4])),
            may("channel-install section", Form::Section(Kind::Channel)),
        ],
    ),
];

pub(super) const CHANNEL: &[Directive] = &[
    once("Isolation", &[need("isolation", Form::OneOf(&[1, 2, 3]))]),
    once("Access", &[need("security descriptor", Form::Sddl)]),
    once("Enabled", BOOLEAN),
    once("Value", NUMBER),
    once("LoggingMaxSize", NUMBER),
    once(
        "LoggingRetention",
        &[need("retention", Form::OneOf(&[1, 2]))],
    ),
    once("LoggingAutoBackup", BOOLEAN),
];

pub(super) const AUTO_LOGGER_PROVIDER_ENTRY: Directive = each(
    "AddAutoLoggerProvider",
    &[
        need("provider GUID", Form::Guid),
        need(
            "autologger-provider-install section",
            Form::Section(Kind::AutoLoggerProvider),
        ),
    ],
);

pub(super) const AUTO_LOGGER: &[Directive] = &[
    once("Start", BOOLEAN),
    once("BufferSize", NUMBER),
    once("ClockType", &[need("clock", Form::OneOf(&[1, 2, 3]))]),
    once("DisableRealtimePersistence", BOOLEAN),
    once("FileName", TEXT),
    once("FileMax", NUMBER),
    once("FlushTimer", NUMBER),
    once("LogFileMode", NUMBER),
    once("MaxFileSize", NUMBER),
    once("MaximumBuffers", NUMBER),
    once("MinimumBuffers", NUMBER),
    AUTO_LOGGER_PROVIDER_ENTRY,
];

pub(super) const AUTO_LOGGER_UPDATE: &[Directive] = &[AUTO_LOGGER_PROVIDER_ENTRY];

pub(super) const AUTO_LOGGER_PROVIDER: &[Directive] = &[
    once("Enabled", BOOLEAN),
    once("EnableFlags", NUMBER),
    once("EnableLevel", NUMBER),
    once("EnableProperty", NUMBER),
    once("MatchAnyKeyword", NUMBER),
    once("MatchAllKeyword", NUMBER),
];

pub(super) const FILTER: &[Directive] = &[
    once("FilterLevel", TEXT),
    once(
        "FilterPosition",
        &[need("position", Form::Word(&["Upper", "Lower"]))],
    ),
];

pub(super) const COMPONENT: &[Directive] = &[
    list("ComponentIDs", &[need("component ID", Form::Text)]),
    once("Description", TEXT),
];

pub(super) const SOFTWARE_INSTALL: &[Directive] = &[
    once(
        "SoftwareType",
        &[need("software type", Form::OneOf(&[1, 2]))],
    ),
    once("SoftwareBinary", TEXT),
    list("SoftwareArguments", TEXT),
    once("SoftwareVersion", &[need("version", Form::Version)]),
    once("SoftwareID", TEXT),
];

pub(super) const COM_SERVER: &[Directive] = &[
    once("ServerType", &[need("server type", Form::OneOf(&[1]))]),
    once("ServerBinary", PATH),
    once("ServerBinaryWow64", PATH),
    each(
        "AddComClass",
        &[
            need("class GUID", Form::Guid),
            may("flags", Form::Flags(0)),
            may("com-class-install section", Form::Section(Kind::ComClass)),
        ],
    ),
];

pub(super) const COM_CLASS: &[Directive] =
    &[once("Description", TEXT), once("ThreadingModel", TEXT)];
pub(super) const WMI_CLASS: &[Directive] =
    &[once("Security", &[need("security descriptor", Form::Sddl)])];
pub(super) const WDF_SERVICE: &[Directive] = &[
    once("KmdfLibraryVersion", TEXT),
    once("UmdfLibraryVersion", TEXT),
    once("ServiceBinary", &[need("path", Form::Text)]),
    once("DriverCLSID", &[need("class GUID", Form::Guid)]),
    list("UmdfExtensions", TEXT),
];
