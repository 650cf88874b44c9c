//! The system thread: loads the drivers, starts the devices, then serves the host.

use alloc::sync::Arc;

use nthost_protocol::{HostRequest, PROTOCOL_VERSION, ToGuest, ToHost, manifest::Role};

use crate::{
    ex::worker::{self, Queue},
    hal::{exit, time},
    hook::register,
    host,
    io::{self, driver},
    ke::{self, bugcheck::exit_code},
    manifest::Archive,
    mm::{paging::physical, start_info::BootInfo},
    ob, pe, pnp, po, ps, registry, se,
    switches::Switches,
    transport,
    verifier::{self, binding, trace},
};

/// What the system does once the kernel runs.
pub fn main(info: &BootInfo) {
    ke::clock::initialize();
    ob::object::initialize();
    se::token::initialize();
    ps::identity::initialize();
    worker::initialize();
    ob::callback::initialize();
    io::fault::initialize();
    register_hooks();
    let switches = Switches::new(&info.command_line);
    if switches.has("selftest") {
        binding::open();
        crate::selftest::run(switches);
    }
    let archive = physical(info.archive.start).cast_const();
    // SAFETY: the loader's archive, whose pages are reserved.
    let archive = unsafe { core::slice::from_raw_parts(archive, info.archive.length as usize) };
    match Archive::read(archive) {
        Ok(archive) => load(&archive, switches),
        Err(fault) => {
            // Without a manifest there is nothing to run, and nobody to ask for one.
            log!("system", "{fault}");
            exit::exit(exit_code::INTERNAL);
        }
    }
    if let Err(fault) = transport::serve(serve) {
        log!("system", "{fault}");
        exit::exit(exit_code::INTERNAL);
    }
}

/// Puts the components behind the hooks by which those below call them. The verifier's own come
/// when it is known whether it is on.
fn register_hooks() {
    use core::ptr::with_exposed_provenance_mut as pointer;

    register::thread_ends(|| {
        io::thread_end::end_requests();
        se::impersonation::end();
    });
    // SAFETY: whoever frees it as pool gives it up.
    register::irp_freed_as_pool(|address| unsafe { io::irp::free(pointer(address)) });
    ps::process::register();
    register::call_ended(crate::exercise::take);
    register::function_of(|device| {
        let node = pnp::node::of(device)?;
        let mut buses = core::iter::successors(Some(node), |node| node.parent);
        let function = buses.find_map(|node| node.pci())?;
        let address = function.address;
        Some((address.bus, address.device, address.function))
    });
    register::image_of(pe::module::module_of);
    // SAFETY: the object manager keeps the file meanwhile.
    register::file_unused(|file| unsafe { io::file::cleanup(file.cast()) });
    register::device_access(|device, access| {
        io::security::check(device, se::token::current(), access)
    });
    register::image_loaded(|base| {
        if let Some(module) = pe::module::find(base) {
            ps::notify::image_loaded(module);
        }
    });
    register::key_path(registry::key::path_of);
    register::object_deleted(se::object::forget);
    register::device_deleting(|device| po::idle::forget(pointer(device)));
    register::device_deleted(|device| po::forget(pointer(device)));
}

/// Loads the drivers of the manifest, in its order, and starts the devices that have one.
fn load(archive: &Archive<'_>, switches: Switches<'_>) {
    verifier::options::read(&archive.manifest);
    verifier::found::choose(&archive.manifest, switches);
    if let Some(seed) = switches.noise().or(archive.manifest.noise) {
        log!("system", "scheduling noise from seed {seed:#x}");
        verifier::noise::start(seed);
    }
    if let Some(explore) = archive.manifest.explore {
        verifier::explore::start(explore);
    }
    for fault in &archive.manifest.faults {
        verifier::fault::add(fault.clone());
    }
    if archive.manifest.breakpoints {
        verifier::breakpoint::enable();
    }
    if let Some(exercise) = &archive.manifest.exercise
        && exercise.rounds != 0
    {
        trace::start();
    }
    binding::open();
    verifier::explore::watch_for_hangs();
    pnp::manager::initialize();
    host::enters_drivers();
    for image in &archive.manifest.drivers {
        // The archive was checked: it holds every image that its manifest names.
        let bytes = archive.file(&image.image).unwrap_or_default();
        // An export driver is no service, but it is told where its key would be.
        if (image.role != Role::Export || !image.service_values.is_empty())
            && let Err(status) = pnp::keys::write_service(image)
        {
            log!("system", "the key of {}: {status:#010x}", image.service);
        }
        let _: Arc<driver::Driver> =
            driver::load(image, bytes, binding::load_options(&image.image));
    }
    pnp::manager::enumerate_root();
    if !archive.manifest.hold_devices {
        pnp::manager::start_all();
    }
    if let Some(exercise) = &archive.manifest.exercise {
        crate::exercise::run(exercise, verifier::noise::seed().unwrap_or(0));
        let ([calls, interrupts, switches, dpcs], hash) = trace::end();
        let now = time::counter();
        log!(
            "trace",
            "{calls} calls, {interrupts} interrupts, {switches} changes of threads and {dpcs} \
             DPCs until {now}, fingerprint {hash:#018x}"
        );
    }
    verifier::explore::end();
}

/// A message of the host's. What takes time is done elsewhere: the console waits for nobody.
fn serve(message: ToGuest) {
    match message {
        ToGuest::Hello(version) => {
            if version != PROTOCOL_VERSION {
                log!(
                    "system",
                    "the host speaks version {version} of the protocol"
                );
            }
            transport::send(&ToHost::Hello(PROTOCOL_VERSION));
        }
        ToGuest::Process { process, request } => ps::dispatch(process, request),
        // Whoever is stopped at a breakpoint may be a worker: this is quick, and waits for nobody.
        ToGuest::Host {
            id,
            request: request @ HostRequest::Breakpoint(_),
        } => {
            let answer = host::answer(request);
            transport::send(&ToHost::Answer { id, answer });
        }
        ToGuest::Host { id, request } => worker::queue(Queue::Host, move || {
            let end = match request {
                HostRequest::Shutdown { code } => Some(code),
                _ => None,
            };
            let answer = host::answer(request);
            let number = transport::send(&ToHost::Answer { id, answer });
            if let Some(code) = end {
                host::end(code, number);
            }
        }),
    }
}
