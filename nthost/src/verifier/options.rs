//! Which of the verifier's options are on, for which drivers: those of the manifest, from when it
//! is read.

use alloc::{string::String, vec::Vec};
use core::sync::atomic::{AtomicU32, Ordering};

use nthost_protocol::manifest::{Manifest, VerifierOption};

use crate::{ke::once::Once, pe::module};

use crate::mm::pool::{self, Special, special};

const fn bit(option: VerifierOption) -> u32 {
    1 << option as u32
}

static OPTIONS: AtomicU32 = AtomicU32::new(standard());
/// The images that are verified; all, as long as there is no list.
static IMAGES: Once<Vec<String>> = Once::new();

const fn standard() -> u32 {
    let mut bits = 0;
    let mut rest = VerifierOption::STANDARD;
    while let [first, others @ ..] = rest {
        bits |= bit(*first);
        rest = others;
    }
    bits
}

/// Services and the file names of their images.
static SERVICES: Once<Vec<(String, String)>> = Once::new();

/// The file name of a service's image, if the manifest has the service.
#[must_use]
pub fn image_of(service: &str) -> Option<String> {
    let mut services = SERVICES.get()?.iter();
    services
        .find(|(name, _)| name.eq_ignore_ascii_case(service))
        .map(|(_, image)| image.clone())
}

/// Verifies what the manifest says. To be called once.
pub fn read(manifest: &Manifest) {
    let services = manifest.drivers.iter();
    let services = services.map(|driver| (driver.service.clone(), driver.image.clone()));
    SERVICES.set(services.collect());
    set(manifest.verifier_options());
    if let Some(services) = &manifest.verified {
        let drivers = manifest.drivers.iter();
        let verified = drivers.filter(|driver| {
            services
                .iter()
                .any(|service| service.eq_ignore_ascii_case(&driver.service))
        });
        IMAGES.set(verified.map(|driver| driver.image.clone()).collect());
    }
}

/// Turns these on and all others off.
pub fn set(options: &[VerifierOption]) {
    let bits = options.iter().fold(0, |bits, &option| bits | bit(option));
    // Relaxed: options are set before drivers are loaded.
    OPTIONS.store(bits, Ordering::Relaxed);
    choose_pool();
}

/// Which pool is special by the options that are on.
fn choose_pool() {
    special::set_underrun(is_on(VerifierOption::SpecialPoolUnderrun));
    pool::set_special(
        if is_on(VerifierOption::SpecialPool) || is_on(VerifierOption::SpecialPoolUnderrun) {
            Special::All
        } else if is_on(VerifierOption::ForceIrqlChecking) {
            Special::Paged
        } else {
            Special::None
        },
    );
}

/// Whether an option is on. Any IRQL.
#[must_use]
pub fn is_on(option: VerifierOption) -> bool {
    OPTIONS.load(Ordering::Relaxed) & bit(option) != 0
}

/// Whether any option is on. Any IRQL.
#[must_use]
pub fn is_any_on() -> bool {
    OPTIONS.load(Ordering::Relaxed) != 0
}

/// Whether any option is on for the driver of this image. Any IRQL.
#[must_use]
pub fn is_any_on_for(image: &str) -> bool {
    is_any_on()
        && IMAGES.get().is_none_or(|images| {
            images
                .iter()
                .any(|verified| verified.eq_ignore_ascii_case(image))
        })
}

/// Whether any option is on for the driver that this address is in, or none is in. Any IRQL.
#[must_use]
pub fn is_any_on_at(caller: u64) -> bool {
    is_any_on()
        && (IMAGES.get().is_none()
            || module::find(caller).is_none_or(|module| is_any_on_for(&module.name)))
}
