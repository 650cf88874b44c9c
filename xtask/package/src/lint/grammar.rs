//! Which directives each kind of section takes, and what their values are: the tables that
//! [`super::walk`] follows.
//!
//! Sources: the reference page of each section and directive under "INF File Sections and
//! Directives".

use super::kind::{Directive, Form, Kind, Slot};

const fn need(name: &'static str, form: Form) -> Slot {
    Slot {
        name,
        form,
        required: true,
    }
}

const fn may(name: &'static str, form: Form) -> Slot {
    Slot {
        name,
        form,
        required: false,
    }
}

/// A directive that may be repeated.
const fn each(key: &'static str, slots: &'static [Slot]) -> Directive {
    Directive {
        key,
        slots,
        more: false,
        once: false,
    }
}

/// A directive that may stand once.
const fn once(key: &'static str, slots: &'static [Slot]) -> Directive {
    Directive {
        key,
        slots,
        more: false,
        once: true,
    }
}

/// A directive with a list.
const fn list(key: &'static str, slots: &'static [Slot]) -> Directive {
    Directive {
        key,
        slots,
        more: true,
        once: false,
    }
}

const TEXT: &[Slot] = &[need("value", Form::Text)];
const NUMBER: &[Slot] = &[need("number", Form::Number)];
const BOOLEAN: &[Slot] = &[need("0 or 1", Form::OneOf(&[0, 1]))];
const PATH: &[Slot] = &[need("path", Form::Path)];
const LEGACY: &[Slot] = &[need("section", Form::Section(Kind::Legacy))];

const INCLUDE: Directive = list("Include", &[need("INF file", Form::Text)]);
const NEEDS: Directive = list("Needs", &[need("section", Form::Text)]);
const ADD_REG: Directive = list(
    "AddReg",
    &[need("add-registry section", Form::Section(Kind::AddReg))],
);
const DEL_REG: Directive = list(
    "DelReg",
    &[need("delete-registry section", Form::Section(Kind::DelReg))],
);
const BIT_REG: Directive = list(
    "BitReg",
    &[need("bit-registry section", Form::Section(Kind::BitReg))],
);
const ADD_PROPERTY: Directive = list(
    "AddProperty",
    &[need(
        "add-property section",
        Form::Section(Kind::AddProperty),
    )],
);
const DEL_PROPERTY: Directive = list("DelProperty", LEGACY);
const COPY_FILES: Directive = list(
    "CopyFiles",
    &[need("file-list section", Form::FilesOrSection)],
);
const DEL_FILES: Directive = list(
    "DelFiles",
    &[need("file-list section", Form::Section(Kind::DelFiles))],
);
const REN_FILES: Directive = list(
    "RenFiles",
    &[need("file-list section", Form::Section(Kind::RenFiles))],
);
const UPDATE_INIS: Directive = list("UpdateInis", LEGACY);
const UPDATE_INI_FIELDS: Directive = list("UpdateIniFields", LEGACY);
const INI2REG: Directive = list("Ini2Reg", LEGACY);

const INSTALL: &[Directive] = &[
    once(
        "DriverVer",
        &[need("date", Form::Text), may("version", Form::Text)],
    ),
    COPY_FILES,
    list("CopyINF", &[need("INF file", Form::Text)]),
    ADD_REG,
    ADD_PROPERTY,
    INCLUDE,
    NEEDS,
    once("FeatureScore", &[need("score", Form::Text)]),
    list("ExcludeID", &[need("device ID", Form::Text)]),
    list("AddPowerSetting", LEGACY),
    once("Reboot", &[]),
    DEL_FILES,
    REN_FILES,
    DEL_REG,
    DEL_PROPERTY,
    BIT_REG,
    list("LogConfig", LEGACY),
    list("ProfileItems", LEGACY),
    UPDATE_INIS,
    UPDATE_INI_FIELDS,
    INI2REG,
    list("RegisterDlls", LEGACY),
    list("UnregisterDlls", LEGACY),
    once("LegacyUninstall", BOOLEAN),
    once("OptionDesc", TEXT),
];

const HW: &[Directive] = &[ADD_REG, INCLUDE, NEEDS, DEL_REG, BIT_REG];

const SERVICES: &[Directive] = &[
    each(
        "AddService",
        &[
            may("service name", Form::Text),
            may("flags", Form::Flags(0x6_fdfb)),
            may("service-install section", Form::Section(Kind::Service)),
            may("event-log-install section", Form::Section(Kind::EventLog)),
            may("event log type", Form::Text),
            may("event name", Form::Text),
        ],
    ),
    each(
        "DelService",
        &[
            need("service name", Form::Text),
            may("flags", Form::Number),
            may("event log type", Form::Text),
            may("event name", Form::Text),
        ],
    ),
    INCLUDE,
    NEEDS,
];

const INTERFACES: &[Directive] = &[
    each(
        "AddInterface",
        &[
            need("interface class GUID", Form::Guid),
            may("reference string", Form::Text),
            may("add-interface section", Form::Section(Kind::Interface)),
            may("flags", Form::Flags(0)),
        ],
    ),
    INCLUDE,
    NEEDS,
];

const CO_INSTALLERS: &[Directive] = &[
    ADD_REG,
    COPY_FILES,
    INCLUDE,
    NEEDS,
    DEL_FILES,
    REN_FILES,
    DEL_REG,
    BIT_REG,
    UPDATE_INIS,
    UPDATE_INI_FIELDS,
    INI2REG,
];

const EVENTS: &[Directive] = &[
    each(
        "AddEventProvider",
        &[
            need("provider GUID", Form::Guid),
            need(
                "event-provider-install section",
                Form::Section(Kind::EventProvider),
            ),
        ],
    ),
    each(
        "AddAutoLogger",
        &[
            need("session name", Form::Text),
            need("session GUID", Form::Guid),
            need(
                "add-autologger-install section",
                Form::Section(Kind::AutoLogger),
            ),
        ],
    ),
    each(
        "UpdateAutoLogger",
        &[
            need("session name", Form::Text),
            need(
                "update-autologger-install section",
                Form::Section(Kind::AutoLoggerUpdate),
            ),
        ],
    ),
    INCLUDE,
    NEEDS,
];

const FILTERS: &[Directive] = &[
    each(
        "AddFilter",
        &[
            need("filter name", Form::Text),
            may("flags", Form::Flags(0)),
            need("filter-install section", Form::Section(Kind::Filter)),
        ],
    ),
    INCLUDE,
    NEEDS,
];

const COMPONENTS: &[Directive] = &[
    each(
        "AddComponent",
        &[
            need("component name", Form::Text),
            may("flags", Form::Number),
            need("component-install section", Form::Section(Kind::Component)),
        ],
    ),
    INCLUDE,
    NEEDS,
];

const SOFTWARE: &[Directive] = &[
    each(
        "AddSoftware",
        &[
            need("software name", Form::Text),
            may("flags", Form::Flags(1)),
            need(
                "software-install section",
                Form::Section(Kind::SoftwareInstall),
            ),
        ],
    ),
    INCLUDE,
    NEEDS,
];

const COM: &[Directive] = &[
    each(
        "AddComServer",
        &[
            need("COM server name", Form::Text),
            may("flags", Form::Flags(0)),
            need("com-server-install section", Form::Section(Kind::ComServer)),
        ],
    ),
    INCLUDE,
    NEEDS,
];

const WMI: &[Directive] = &[each(
    "WMIInterface",
    &[
        need("WMI class GUID", Form::Guid),
        may("flags", Form::Text),
        need("WMI-class section", Form::Section(Kind::WmiClass)),
    ],
)];

const WDF: &[Directive] = &[
    each(
        "KmdfService",
        &[
            need("service name", Form::Text),
            need(
                "wdf-service-install section",
                Form::Section(Kind::WdfService),
            ),
        ],
    ),
    each(
        "UmdfService",
        &[
            need("service name", Form::Text),
            need(
                "wdf-service-install section",
                Form::Section(Kind::WdfService),
            ),
        ],
    ),
    list("UmdfServiceOrder", TEXT),
    once("UmdfImpersonationLevel", TEXT),
    once("UmdfMethodNeitherAction", TEXT),
    once("UmdfDispatcher", TEXT),
    once("UmdfKernelModeClientPolicy", TEXT),
    once("UmdfFileObjectPolicy", TEXT),
    once("UmdfFsContextUsePolicy", TEXT),
    once("UmdfHostProcessSharing", TEXT),
    once("UmdfDirectHardwareAccess", TEXT),
    once("UmdfRegisterAccessMode", TEXT),
    once("UmdfHostPriority", TEXT),
];

const SERVICE: &[Directive] = &[
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

const EVENT_LOG: &[Directive] = &[ADD_REG, DEL_REG, BIT_REG];

const TRIGGER: &[Directive] = &[
    once("TriggerType", TEXT),
    once("Action", TEXT),
    once("SubType", TEXT),
    list(
        "DataItem",
        &[need("data type", Form::Number), need("data", Form::Text)],
    ),
];

const FAILURE_ACTIONS: &[Directive] = &[
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

const INTERFACE: &[Directive] = &[
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

const EVENT_PROVIDER: &[Directive] = &[
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

const CHANNEL: &[Directive] = &[
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

const AUTO_LOGGER_PROVIDER_ENTRY: Directive = each(
    "AddAutoLoggerProvider",
    &[
        need("provider GUID", Form::Guid),
        need(
            "autologger-provider-install section",
            Form::Section(Kind::AutoLoggerProvider),
        ),
    ],
);

const AUTO_LOGGER: &[Directive] = &[
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

const AUTO_LOGGER_UPDATE: &[Directive] = &[AUTO_LOGGER_PROVIDER_ENTRY];

const AUTO_LOGGER_PROVIDER: &[Directive] = &[
    once("Enabled", BOOLEAN),
    once("EnableFlags", NUMBER),
    once("EnableLevel", NUMBER),
    once("EnableProperty", NUMBER),
    once("MatchAnyKeyword", NUMBER),
    once("MatchAllKeyword", NUMBER),
];

const FILTER: &[Directive] = &[
    once("FilterLevel", TEXT),
    once(
        "FilterPosition",
        &[need("position", Form::Word(&["Upper", "Lower"]))],
    ),
];

const COMPONENT: &[Directive] = &[
    list("ComponentIDs", &[need("component ID", Form::Text)]),
    once("Description", TEXT),
];

const SOFTWARE_INSTALL: &[Directive] = &[
    once(
        "SoftwareType",
        &[need("software type", Form::OneOf(&[1, 2]))],
    ),
    once("SoftwareBinary", TEXT),
    list("SoftwareArguments", TEXT),
    once("SoftwareVersion", &[need("version", Form::Version)]),
    once("SoftwareID", TEXT),
];

const COM_SERVER: &[Directive] = &[
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

const COM_CLASS: &[Directive] = &[once("Description", TEXT), once("ThreadingModel", TEXT)];
const WMI_CLASS: &[Directive] = &[once("Security", &[need("security descriptor", Form::Sddl)])];
const WDF_SERVICE: &[Directive] = &[
    once("KmdfLibraryVersion", TEXT),
    once("UmdfLibraryVersion", TEXT),
    once("ServiceBinary", &[need("path", Form::Text)]),
    once("DriverCLSID", &[need("class GUID", Form::Guid)]),
    list("UmdfExtensions", TEXT),
];

/// The sections that belong to an install section, by the suffix of their names.
pub const SUFFIXES: &[(&str, Kind)] = &[
    ("HW", Kind::Hw),
    ("Services", Kind::Services),
    ("Interfaces", Kind::Interfaces),
    ("CoInstallers", Kind::CoInstallers),
    ("Events", Kind::Events),
    ("Filters", Kind::Filters),
    ("Components", Kind::Components),
    ("Software", Kind::Software),
    ("COM", Kind::Com),
    ("WMI", Kind::Wmi),
    ("Wdf", Kind::Wdf),
    ("LogConfigOverride", Kind::Legacy),
    ("FactDef", Kind::Legacy),
];

/// What such a section may hold. None where it is a list of files, values or the like.
#[must_use]
pub fn directives(kind: Kind) -> Option<&'static [Directive]> {
    TABLE
        .iter()
        .find(|(of, _)| *of == kind)
        .map(|(_, directives)| *directives)
}

/// The kinds that have directives, with them.
pub const TABLE: &[(Kind, &[Directive])] = &[
    (Kind::Install, INSTALL),
    (Kind::Hw, HW),
    (Kind::Services, SERVICES),
    (Kind::Interfaces, INTERFACES),
    (Kind::CoInstallers, CO_INSTALLERS),
    (Kind::Events, EVENTS),
    (Kind::Filters, FILTERS),
    (Kind::Components, COMPONENTS),
    (Kind::Software, SOFTWARE),
    (Kind::Com, COM),
    (Kind::Wmi, WMI),
    (Kind::Wdf, WDF),
    (Kind::Service, SERVICE),
    (Kind::EventLog, EVENT_LOG),
    (Kind::Trigger, TRIGGER),
    (Kind::FailureActions, FAILURE_ACTIONS),
    (Kind::Interface, INTERFACE),
    (Kind::EventProvider, EVENT_PROVIDER),
    (Kind::Channel, CHANNEL),
    (Kind::AutoLogger, AUTO_LOGGER),
    (Kind::AutoLoggerUpdate, AUTO_LOGGER_UPDATE),
    (Kind::AutoLoggerProvider, AUTO_LOGGER_PROVIDER),
    (Kind::Filter, FILTER),
    (Kind::Component, COMPONENT),
    (Kind::SoftwareInstall, SOFTWARE_INSTALL),
    (Kind::ComServer, COM_SERVER),
    (Kind::ComClass, COM_CLASS),
    (Kind::WmiClass, WMI_CLASS),
    (Kind::WdfService, WDF_SERVICE),
];
