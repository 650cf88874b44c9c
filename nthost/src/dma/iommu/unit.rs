//! The unit's registers: it is switched on, told of tables and of what it must read again, and
//! says what it refused.

use crate::{
    hal::{acpi, apic},
    hook,
    ke::{lock::HighLock, once::Once},
    mm::{
        PAGE_SIZE,
        paging::physical,
        phys::{self, Request},
    },
};

use super::{
    domain,
    table::{self, Depth, Fault},
};

/// Registers, by their offsets.
mod register {
    pub const CAPABILITIES: u64 = 0x08;
    pub const EXTENDED: u64 = 0x10;
    pub const COMMAND: u64 = 0x18;
    pub const STATUS: u64 = 0x1c;
    pub const ROOT: u64 = 0x20;
    pub const CONTEXT: u64 = 0x28;
    pub const FAULT_STATUS: u64 = 0x34;
    pub const FAULT_CONTROL: u64 = 0x38;
    pub const FAULT_DATA: u64 = 0x3c;
    pub const FAULT_ADDRESS: u64 = 0x40;
    pub const FAULT_ADDRESS_HIGH: u64 = 0x44;
}

/// Commands, and what the status says once they are done.
mod command {
    pub const TRANSLATE: u32 = 1 << 31;
    pub const SET_ROOT: u32 = 1 << 30;
}

/// In the registers that have something read again: do it. It is 0 when that is done.
const INVALIDATE: u64 = 1 << 63;
/// All contexts, in their register.
const ALL_CONTEXTS: u64 = 1 << 61;
/// Translations, in their register: all, or those of a page of a domain.
const ALL_TRANSLATIONS: u64 = 1 << 60;
const OF_PAGE: u64 = 3 << 60;
/// Bytes of a fault record.
const RECORD: u64 = 16;

/// The unit's registers, by their address.
#[derive(Clone, Copy, Debug)]
struct Registers(u64);

/// The unit.
#[derive(Debug)]
struct Unit {
    registers: Registers,
    depth: Depth,
    /// The registers for translations that must be read again.
    invalidation: u64,
    /// The fault records, and how many there are.
    records: u64,
    record_count: u64,
    /// The root table.
    root: u64,
}

static UNIT: Once<Unit> = Once::new();
/// Protects the root and context tables, and the registers that take commands.
static COMMANDS: HighLock<()> = HighLock::new(());

/// A page of zeros for a table.
#[must_use]
pub fn new_table() -> Option<u64> {
    let page = phys::allocate(&Request::any(1))?;
    // SAFETY: it was just allocated, and is in the physical map.
    unsafe { physical(page).write_bytes(0, PAGE_SIZE as usize) };
    Some(page)
}

/// An entry of a table.
#[must_use]
pub fn entry(table: u64, index: u64) -> *mut u64 {
    physical(table + index * 8).cast()
}

impl Registers {
    fn read_u32(&self, register: u64) -> u32 {
        let pointer = physical(self.0 + register).cast::<u32>();
        // SAFETY: a register of the unit, which the physical map covers.
        unsafe { pointer.read_volatile() }
    }

    fn write_u32(&self, register: u64, value: u32) {
        let pointer = physical(self.0 + register).cast::<u32>();
        // SAFETY: as above.
        unsafe { pointer.write_volatile(value) };
    }

    fn read(&self, register: u64) -> u64 {
        let pointer = physical(self.0 + register).cast::<u64>();
        // SAFETY: as above.
        unsafe { pointer.read_volatile() }
    }

    fn write(&self, register: u64, value: u64) {
        let pointer = physical(self.0 + register).cast::<u64>();
        // SAFETY: as above.
        unsafe { pointer.write_volatile(value) };
    }
}

impl core::ops::Deref for Unit {
    type Target = Registers;

    fn deref(&self) -> &Registers {
        &self.registers
    }
}

impl Unit {
    /// A command, with those that stay in force; returns when it is done.
    fn command(&self, command: u32, in_force: u32) {
        self.write_u32(register::COMMAND, in_force | command);
        while self.read_u32(register::STATUS) & command == 0 {
            core::hint::spin_loop();
        }
    }

    /// Has the unit read something again; returns when it will.
    fn invalidate(&self, register: u64, what: u64) {
        self.write(register, INVALIDATE | what);
        while self.read(register) & INVALIDATE != 0 {
            core::hint::spin_loop();
        }
    }

    const fn translations(&self) -> u64 {
        self.invalidation + 8
    }

    /// Faults interrupt the first processor.
    fn report_faults(&self) {
        self.write_u32(register::FAULT_DATA, apic::IOMMU_VECTOR.into());
        self.write_u32(register::FAULT_ADDRESS, 0xfee0_0000 | apic::id() << 12);
        self.write_u32(register::FAULT_ADDRESS_HIGH, 0);
        self.write_u32(register::FAULT_CONTROL, 0);
    }
}

/// Switches the unit on, if there is one. From now on no device reaches any memory but what is
/// mapped for it.
pub fn initialize() {
    let Some(base) = acpi::tables().iommu else {
        return;
    };
    let registers = Registers(base);
    let capabilities = registers.read(register::CAPABILITIES);
    let (Some(depth), Some(root)) = (Depth::of(capabilities), new_table()) else {
        log!("iommu", "its capabilities {capabilities:#x} are not known");
        return;
    };
    let invalidation = (registers.read(register::EXTENDED) >> 8 & 0x3ff) * 16;
    let unit = Unit {
        registers,
        depth,
        invalidation,
        records: (capabilities >> 24 & 0x3ff) * 16,
        record_count: (capabilities >> 40 & 0xff) + 1,
        root,
    };
    unit.report_faults();
    unit.write(register::ROOT, root);
    unit.command(command::SET_ROOT, 0);
    unit.invalidate(register::CONTEXT, ALL_CONTEXTS);
    unit.invalidate(unit.translations(), ALL_TRANSLATIONS);
    unit.command(command::TRANSLATE, 0);
    log!("iommu", "devices reach what adapters map, and nothing else");
    UNIT.set(unit);
    hook::register::iommu_interrupt(interrupt);
}

/// How deep devices' tables are; `None` without a unit.
pub fn depth() -> Option<Depth> {
    UNIT.get().map(|unit| unit.depth)
}

/// A device's accesses go through this table from now on. Says whether there was memory.
#[must_use]
pub fn attach(source: u16, table: u64, number: u16) -> bool {
    let Some(unit) = UNIT.get() else {
        return false;
    };
    let _guard = COMMANDS.lock();
    let (bus, function) = (u64::from(source >> 8), u64::from(source & 0xff));
    let root = entry(unit.root, bus * 2);
    // SAFETY: an entry of the root table.
    let found = table::target(unsafe { root.read_volatile() });
    let Some(contexts) = found.or_else(new_table) else {
        return false;
    };
    if found.is_none() {
        let [low, _] = table::root_entry(contexts);
        // SAFETY: as above.
        unsafe { root.write_volatile(low) };
    }
    let [low, high] = table::context_entry(table, unit.depth, number);
    // SAFETY: an entry of the context table. The half that makes it one comes last.
    unsafe { entry(contexts, function * 2 + 1).write_volatile(high) };
    // SAFETY: as above.
    unsafe { entry(contexts, function * 2).write_volatile(low) };
    true
}

/// Has the unit forget what it read of a page in a device's table.
pub fn forget(page: u64, number: u16) {
    let Some(unit) = UNIT.get() else {
        return;
    };
    let _guard = COMMANDS.lock();
    unit.write(unit.invalidation, page);
    unit.invalidate(unit.translations(), OF_PAGE | u64::from(number) << 32);
}

/// The unit has refused something. Interrupts are on, the IRQL is the clock's.
pub fn interrupt() {
    let Some(unit) = UNIT.get() else {
        return;
    };
    for index in 0..unit.record_count {
        let record = unit.records + index * RECORD;
        let high = unit.read(record + 8);
        if let Some(fault) = Fault::read(unit.read(record), high) {
            // Writing the bit that says so makes the record free.
            unit.write_u32(record + 12, 1 << 31);
            unit.write_u32(register::FAULT_STATUS, 1);
            domain::refused(fault);
        }
    }
}
