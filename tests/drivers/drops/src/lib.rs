//! A driver that does wrong: it drops, at DISPATCH_LEVEL, what ends at PASSIVE_LEVEL, or memory that
//! its device may use. It is all safe Rust; `wdm` stops the system.
//!
//! What it drops is the value `What` of its parameters. It does so when a device is started, which is
//! QEMU's `edu`.
#![no_std]

use core::{
    panic::PanicInfo,
    sync::atomic::{AtomicU32, Ordering},
};

use wdm::{
    Result, Status,
    bus::BusInterface,
    device::{Device, Fdo, Io, PhysicalDevice},
    dma::{
        Adapter, Channel, CommonBuffer, Description, Direction, ListControl, Mapped, NotMapped,
        TransferMemory,
    },
    dpc::{DeferredRoutine, Dpc},
    driver::{Driver, DriverObject},
    guid::Guid,
    interface::DeviceInterface,
    interrupt::{Claim, Interrupt, InterruptService},
    irp::{Dispatched, Fresh, Irp, Pending},
    irql::{self, Dirql, Dispatch, Passive, UpToDispatch},
    mdl::Pages,
    pnp::Minor,
    pofx::{Framework, PowerManaged, PoweredOn},
    pool::{Shared, Tag},
    registry::Key,
    timer::{Timer, TimerRoutine},
    unicode::UnicodeString,
    utf16,
};

const TAG: Tag = Tag::new(*b"Drop");

static WHAT: AtomicU32 = AtomicU32::new(0);

struct Drops;

impl Driver for Drops {
    fn entry(registry_path: UnicodeString<'_>, irql: &mut Passive) -> Result<()> {
        let key = Key::open(registry_path, irql)?;
        let parameters = key.open_subkey(UnicodeString::new(utf16!("Parameters")), irql)?;
        let what = parameters.query_dword(UnicodeString::new(utf16!("What")), irql)?;
        WHAT.store(what, Ordering::Relaxed);
        if what == 0 {
            drop_at_dispatch_level(parameters, irql);
        }
        Ok(())
    }

    fn add_device(
        driver: &DriverObject,
        physical: PhysicalDevice<'_>,
        irql: &mut Passive,
    ) -> Result<()> {
        Fdo::create(driver, physical, Io::Direct, |_| Ok(Dropped), irql)
    }

    fn unload(_irql: &mut Passive) {}
}

/// The wrong.
fn drop_at_dispatch_level<T>(value: T, irql: &mut Passive) {
    irql::raise_to_dispatch(irql, |_| drop(value));
}

/// The device.
struct Dropped;

/// What routines are called with, and do.
struct Nothing;

impl DeferredRoutine for Nothing {
    fn run(&self, _irql: &mut Dispatch) {}
}

impl TimerRoutine for Nothing {
    fn expired(&self, _irql: &mut Dispatch) {}
}

impl InterruptService for Nothing {
    fn service(&mut self, _irql: &mut Dirql) -> Claim {
        Claim::NotOurs
    }
}

impl ListControl for Nothing {
    fn mapped(&self, mapped: Mapped<Self>, _irql: &mut Dispatch) {
        drop(mapped);
    }
}

/// Drops what the parameter says. Some of it needs a device that has been started.
fn drop_what(device: &Fdo<Dropped>, irql: &mut Passive) -> Result<()> {
    const CLASS: Guid = Guid::new(0x4452_4f50, 0, 0, [0; 8]);
    let physical = device.physical();
    match WHAT.load(Ordering::Relaxed) {
        1 => {
            let nothing = Shared::new(TAG, Nothing, irql)?;
            drop_at_dispatch_level(Dpc::new(TAG, nothing, irql)?, irql);
        }
        2 => {
            let nothing = Shared::new(TAG, Nothing, irql)?;
            drop_at_dispatch_level(Timer::new(TAG, nothing, irql)?, irql);
        }
        3 => drop_at_dispatch_level(DeviceInterface::register(physical, &CLASS, irql)?, irql),
        4 => drop_at_dispatch_level(BusInterface::query(device.lower(), TAG, irql)?, irql),
        5 => {
            let adapter = Shared::new(TAG, adapter(device, irql)?, irql)?;
            drop_at_dispatch_level(CommonBuffer::allocate(adapter, 64, irql)?, irql);
        }
        6 => drop_at_dispatch_level(Interrupt::connect(physical, TAG, Nothing, irql)?, irql),
        7 => {
            let framework = Framework::new(TAG, irql)?;
            framework.register(device, 1000, irql)?;
            drop_at_dispatch_level(framework, irql);
        }
        _ => {}
    }
    Ok(())
}

fn adapter(device: &Fdo<Dropped>, irql: &Passive) -> Result<Adapter> {
    let description = Description {
        address_width: 28,
        maximum_length: 4096,
    };
    Adapter::get(device.physical(), description, irql)
}

/// Has memory mapped for the device, and drops it.
fn drop_mapped(device: &Fdo<Dropped>, irp: Irp<Pending>, irql: &mut Passive) -> Result<()> {
    let made = adapter(device, irql).and_then(|adapter| {
        let adapter = Shared::new(TAG, adapter, irql)?;
        let nothing = Shared::new(TAG, Nothing, irql)?;
        let channel = Channel::new(TAG, adapter, device.reference(), nothing, irql)?;
        let pages = Pages::allocate(4096, u64::MAX, None, irql)?;
        Ok((channel, Shared::new(TAG, pages, irql)?))
    });
    let (channel, pages) = match made {
        Ok(made) => made,
        Err(status) => {
            irp.complete(status, irql);
            return Err(status);
        }
    };
    let memory = TransferMemory::pages(irp, pages);
    irql::raise_to_dispatch(irql, |irql| {
        let mapped = channel.map(memory, 4096, Direction::FromDevice, irql);
        mapped.map_err(|NotMapped { memory, status, .. }| {
            memory.into_irp(0).complete(status, irql);
            status
        })
    })
}

impl PowerManaged for Dropped {
    fn component_active(_device: &Fdo<Self>, _irql: &mut UpToDispatch) {}

    fn power_required(_device: &Fdo<Self>, report: PoweredOn, _irql: &mut UpToDispatch) {
        drop(report);
    }

    fn power_not_required(_device: &Fdo<Self>, _irql: &mut UpToDispatch) {}
}

macro_rules! pass_down {
    ($($name:ident),*) => {$(
        fn $name(_device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
            irp.forward(irql)
        }
    )*};
}

impl Device for Dropped {
    pass_down!(create, cleanup, close, read, write, device_control, power);

    fn pnp(device: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        if !matches!(Minor::of(&irp), Minor::StartDevice) {
            return irp.forward(irql);
        }
        let irp = irp.forward_synchronously(irql);
        if WHAT.load(Ordering::Relaxed) == 8 {
            let (irp, dispatched) = irp.pend();
            // The IRP is in what is dropped, or was completed.
            let _ = drop_mapped(device, irp, irql);
            return dispatched;
        }
        let status = Status::of(drop_what(device, irql));
        irp.complete(status, irql)
    }

    fn remove(_device: &Fdo<Self>, _irql: &mut Passive) {}
}

wdm::driver_entry!(Drops);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    wdm::bugcheck::panic(0x4452_4f50, info)
}
