//! The kinds of sections, the forms of values, and what a directive is.

/// What a section is for, which decides its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `[DDInstall]`, `[DefaultInstall]`
    Install,
    /// `[DDInstall.HW]`
    Hw,
    /// `[DDInstall.Services]`
    Services,
    /// `[DDInstall.Interfaces]`
    Interfaces,
    /// `[DDInstall.CoInstallers]`
    CoInstallers,
    /// `[DDInstall.Events]`
    Events,
    /// `[DDInstall.Filters]`
    Filters,
    /// `[DDInstall.Components]`
    Components,
    /// `[DDInstall.Software]`
    Software,
    /// `[DDInstall.COM]`
    Com,
    /// `[DDInstall.WMI]`
    Wmi,
    /// `[DDInstall.Wdf]`
    Wdf,
    /// A list of files to copy.
    CopyFiles,
    /// A list of files to delete.
    DelFiles,
    /// A list of files to rename.
    RenFiles,
    /// Registry values to set.
    AddReg,
    /// Registry values to delete.
    DelReg,
    /// Bits to change in registry values.
    BitReg,
    /// Device properties to set.
    AddProperty,
    /// What an operation of old needs; its contents are not looked at.
    Legacy,
    /// A service, by `AddService`.
    Service,
    /// Its event log.
    EventLog,
    /// What starts or stops it.
    Trigger,
    /// What happens when it fails.
    FailureActions,
    /// An instance of a device interface, by `AddInterface`.
    Interface,
    /// An event provider, by `AddEventProvider`.
    EventProvider,
    /// One of its channels.
    Channel,
    /// A session, by `AddAutoLogger`.
    AutoLogger,
    /// A session that is added to, by `UpdateAutoLogger`.
    AutoLoggerUpdate,
    /// A provider of a session.
    AutoLoggerProvider,
    /// A filter, by `AddFilter`.
    Filter,
    /// A software component, by `AddComponent`.
    Component,
    /// Software, by `AddSoftware`.
    SoftwareInstall,
    /// A COM server, by `AddComServer`.
    ComServer,
    /// A COM class, by `AddComClass`.
    ComClass,
    /// A WMI class, by `WMIInterface`.
    WmiClass,
    /// A framework driver, by `KmdfService` or `UmdfService`.
    WdfService,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Anything.
    Text,
    /// The name of a section of this kind.
    Section(Kind),
    /// The name of a section of this kind, or `@file`.
    FilesOrSection,
    /// A GUID in braces.
    Guid,
    /// A number.
    Number,
    /// One of these numbers.
    OneOf(&'static [u32]),
    /// A combination of these bits.
    Flags(u32),
    /// `%dirid%\file`
    Path,
    /// A security descriptor.
    Sddl,
    /// `w.x.y.z`
    Version,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// A place for a value.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// What the value is, in words.
    pub name: &'static str,
    /// Its form.
    pub form: Form,
    /// Whether it must be there.
    pub required: bool,
}

/// A directive: an entry whose key has a meaning.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// The key.
    pub key: &'static str,
    /// The places for its values.
    pub slots: &'static [Slot],
    /// Whether more values of the last place's form may follow.
    pub more: bool,
    /// Whether it may stand in a section only once.
    pub once: bool,
}
