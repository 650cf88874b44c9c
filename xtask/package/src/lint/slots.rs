//! The words in which the grammar's tables are written, and what several of them share.

use super::kind::{Directive, Form, Kind, Slot};

/// A value that must be there.
pub(super) const fn need(name: &'static str, form: Form) -> Slot {
    Slot {
        name,
        form,
        required: true,
    }
}

/// A value that may be left out.
pub(super) const fn may(name: &'static str, form: Form) -> Slot {
    Slot {
        name,
        form,
        required: false,
    }
}

/// A directive that may be repeated.
pub(super) const fn each(key: &'static str, slots: &'static [Slot]) -> Directive {
    Directive {
        key,
        slots,
        more: false,
        once: false,
    }
}

/// A directive that may stand once.
pub(super) const fn once(key: &'static str, slots: &'static [Slot]) -> Directive {
    Directive {
        key,
        slots,
        more: false,
        once: true,
    }
}

/// A directive with a list.
pub(super) const fn list(key: &'static str, slots: &'static [Slot]) -> Directive {
    Directive {
        key,
        slots,
        more: true,
        once: false,
    }
}

pub(super) const TEXT: &[Slot] = &[need("value", Form::Text)];
pub(super) const NUMBER: &[Slot] = &[need("number", Form::Number)];
pub(super) const BOOLEAN: &[Slot] = &[need("0 or 1", Form::OneOf(&[0, 1]))];
pub(super) const PATH: &[Slot] = &[need("path", Form::Path)];
pub(super) const LEGACY: &[Slot] = &[need("section", Form::Section(Kind::Legacy))];

pub(super) const INCLUDE: Directive = list("Include", &[need("INF file", Form::Text)]);
pub(super) const NEEDS: Directive = list("Needs", &[need("section", Form::Text)]);
pub(super) const ADD_REG: Directive = list(
    "AddReg",
    &[need("add-registry section", Form::Section(Kind::AddReg))],
);
pub(super) const DEL_REG: Directive = list(
    "DelReg",
    &[need("delete-registry section", Form::Section(Kind::DelReg))],
);
pub(super) const BIT_REG: Directive = list(
    "BitReg",
    &[need("bit-registry section", Form::Section(Kind::BitReg))],
);
pub(super) const ADD_PROPERTY: Directive = list(
    "AddProperty",
    &[need(
        "add-property section",
        Form::Section(Kind::AddProperty),
    )],
);
pub(super) const DEL_PROPERTY: Directive = list("DelProperty", LEGACY);
pub(super) const COPY_FILES: Directive = list(
    "CopyFiles",
    &[need("file-list section", Form::FilesOrSection)],
);
pub(super) const DEL_FILES: Directive = list(
    "DelFiles",
    &[need("file-list section", Form::Section(Kind::DelFiles))],
);
pub(super) const REN_FILES: Directive = list(
    "RenFiles",
    &[need("file-list section", Form::Section(Kind::RenFiles))],
);
pub(super) const UPDATE_INIS: Directive = list("UpdateInis", LEGACY);
pub(super) const UPDATE_INI_FIELDS: Directive = list("UpdateIniFields", LEGACY);
pub(super) const INI2REG: Directive = list("Ini2Reg", LEGACY);
