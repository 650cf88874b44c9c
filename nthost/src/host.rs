//! What is done to the machine, and the questions that the host has for the kernel.

use alloc::{format, vec::Vec};

use nthost_nt::status::STATUS_SUCCESS;
use nthost_protocol::{
    BreakpointRequest, HostAnswer, HostRequest,
    host::{Driver, Machine, Node, Processor, Verifier},
};

use crate::{
    etw, export,
    hal::{self, exit},
    io::{driver, interrupt, leak},
    ke::{
        once::Once,
        pcr, spinlock,
        thread::describe,
        time,
        wait::{self, WaitType},
    },
    mm::{
        PAGE_SIZE,
        account::{self, Kind},
        phys, pool,
    },
    pe::module::module_of,
    pnp, po, transport,
    verifier::{self, binding, gate, irp::left},
};

/// Microseconds from the machine's reset to the first driver's entry.
static BOOT_US: Once<u64> = Once::new();

/// The first driver is about to be entered.
pub fn enters_drivers() {
    BOOT_US.set(hal::time::microseconds_since_reset());
}

/// Does or answers what the host asks. PASSIVE_LEVEL, in a worker thread.
#[must_use]
pub fn answer(request: HostRequest) -> HostAnswer {
    match request {
        HostRequest::DescribeMachine => HostAnswer::Machine(machine()),
        HostRequest::ListDrivers => HostAnswer::Drivers(drivers()),
        HostRequest::ListDevices => HostAnswer::Devices(pnp::manager::describe()),
        HostRequest::Pnp { device, operation } => {
            HostAnswer::Status(pnp::manager::operate(&device, operation))
        }
        HostRequest::UnloadDriver { service } => HostAnswer::Status(pnp::manager::unload(&service)),
        HostRequest::VerifierReport => HostAnswer::Verifier(report()),
        // Who asked is answered first: the caller then ends the machine, by `end`.
        HostRequest::Shutdown { .. } => HostAnswer::Status(STATUS_SUCCESS),
        HostRequest::DrainEvents => HostAnswer::Events(etw::drain()),
        HostRequest::DevicePower { device, state } => {
            HostAnswer::Status(po::host::device_power(&device, state))
        }
        HostRequest::SystemPower { state } => HostAnswer::Status(po::host::system_power(state)),
        HostRequest::Fault(fault) => {
            verifier::fault::add(fault);
            binding::renew();
            HostAnswer::Status(STATUS_SUCCESS)
        }
        HostRequest::Breakpoint(BreakpointRequest::List) => {
            HostAnswer::Stops(verifier::breakpoint::stops())
        }
        HostRequest::Breakpoint(request) => {
            HostAnswer::Status(verifier::breakpoint::request(&request))
        }
        HostRequest::WriteRegister {
            device,
            bar,
            offset,
            value,
        } => HostAnswer::Status(pnp::poke::write_register(&device, bar, offset, value)),
        HostRequest::Unplug { device } => HostAnswer::Status(pnp::manager::unplug(&device)),
        HostRequest::ListThreads => HostAnswer::Threads(describe::all()),
        HostRequest::ClearFaults => {
            verifier::fault::clear();
            binding::renew();
            HostAnswer::Status(STATUS_SUCCESS)
        }
        HostRequest::ListFaults => HostAnswer::Faults(verifier::fault::states()),
    }
}

/// Ends the machine, once the answer of this number has left, as long as the host still takes it.
/// What others have queued behind the answer is not waited for: it may never end.
pub fn end(code: u8, answer: u64) -> ! {
    /// Ten seconds, and a millisecond, in units of 100 ns.
    const PATIENCE: u64 = 100_000_000;
    const NAP: u64 = 10_000;
    let end = time::interrupt_time() + PATIENCE;
    while !transport::is_sent(answer) && time::interrupt_time() < end {
        // It sleeps rather than yields: a driver may have left this thread another priority than
        // the console's has.
        let due = Some(time::interrupt_time() + NAP);
        // SAFETY: there are no objects.
        let _ = unsafe { wait::wait(&[], WaitType::Any, due) };
    }
    exit::exit(code);
}

fn machine() -> Machine {
    Machine {
        processors: pcr::all()
            .map(|pcr| Processor {
                apic_id: pcr.apic_id,
                group: pcr.group,
                number: pcr.group_number,
                node: pcr.node,
            })
            .collect(),
        nodes: (0..phys::node_count() as u16)
            .map(|number| Node {
                number,
                memory: phys::node_bytes(number),
            })
            .collect(),
        boot_us: BOOT_US.get().copied().unwrap_or(0),
        exports: export::all().len() as u32,
        free: phys::free_pages() * PAGE_SIZE,
    }
}

fn drivers() -> Vec<Driver> {
    driver::all()
        .into_iter()
        .map(|driver| {
            let (base, size, imports) = driver.placement().unwrap_or_default();
            Driver {
                service: driver.image.service.clone(),
                base,
                size,
                imports: imports as u32,
                status: driver.status,
                fault: driver.fault.clone(),
            }
        })
        .collect()
}

/// What drivers have and have not given back. Of pool only what a driver itself allocated
/// counts: the caller's address tells.
fn report() -> Verifier {
    let mut report = Verifier {
        checks: gate::count(),
        ..Verifier::default()
    };
    pool::for_each(|address, allocation| {
        let (module, offset) = module_of(allocation.caller);
        if module == "nthost" || allocation.caller == 0 {
            return;
        }
        report.pool_allocations += 1;
        report.pool_bytes += allocation.size;
        report.details.push(format!(
            "pool {address:#x}, {} bytes, tag {}, from {module}+{offset:#x}",
            allocation.size,
            pool::tag_text(allocation.tag)
        ));
    });
    let irps = left::irps();
    report.irps = irps.len() as u64;
    report.details.extend(irps);
    let objects = leak::objects();
    report.objects = objects.len() as u64;
    report.details.extend(objects);
    for (kind, name) in [
        (Kind::Pages, "pages"),
        (Kind::LockedPages, "locked pages"),
        (Kind::IoSpace, "I/O space"),
        (Kind::MdlMapping, "mapping"),
        (Kind::MappingAddress, "mapping address"),
    ] {
        for (address, held) in account::all(kind) {
            let (module, offset) = module_of(held.caller);
            if module == "nthost" || held.caller == 0 {
                continue;
            }
            match kind {
                Kind::Pages => report.pages += held.count,
                Kind::LockedPages => report.locked_pages += held.count,
                _ => report.mappings += 1,
            }
            report
                .details
                .push(format!("{name} {address:#x}, from {module}+{offset:#x}"));
        }
    }
    report.locks = spinlock::held() as u64;
    report.map_registers = crate::dma::adapter::registers_in_use();
    for (caller, instance) in interrupt::connected() {
        report.interrupts += 1;
        let (module, offset) = module_of(caller as u64);
        let line = format!("interrupt of {instance}, connected at {module}+{offset:#x}");
        report.details.push(line);
    }
    report
}
