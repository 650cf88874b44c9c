//! Which directives each kind of section takes, and what their values are: the tables that
//! [`super::walk`] follows.
//!
//! Sources: the reference page of each section and directive under "INF File Sections and
//! Directives".

use super::kind::{Directive, Form, Kind};
use super::named::{
    AUTO_LOGGER, AUTO_LOGGER_PROVIDER, AUTO_LOGGER_UPDATE, CHANNEL, COM_CLASS, COM_SERVER,
    COMPONENT, EVENT_LOG, EVENT_PROVIDER, FAILURE_ACTIONS, FILTER, INTERFACE, SERVICE,
    SOFTWARE_INSTALL, TRIGGER, WDF_SERVICE, WMI_CLASS,
};
use super::slots::{
    ADD_PROPERTY, ADD_REG, BIT_REG, BOOLEAN, COPY_FILES, DEL_FILES, DEL_PROPERTY, DEL_REG, INCLUDE,
    INI2REG, LEGACY, NEEDS, REN_FILES, TEXT, UPDATE_INI_FIELDS, UPDATE_INIS, each, list, may, need,
    once,
};

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
            may("flags", Form::Flags(0x7_fdfb)),
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
