//! Images in memory: loading, protection, binding, and which address is in which image.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use super::{
    Fault, Image, Import, loaded, section,
    unwind::{self, Memory, RuntimeFunction},
};
use crate::{
    export::{self, Export},
    hal,
    ke::lock::SpinLock,
    mm::{
        PAGE_SIZE, pageable,
        paging::{self, Access, KERNEL_BASE},
        phys::{self, Request},
    },
};

/// The most images that are loaded at a time.
const MAXIMUM_MODULES: usize = 64;
/// Kernel images whose routines nthost itself has.
const KERNEL_IMAGES: [&str; 3] = ["ntoskrnl.exe", "hal.dll", "wmilib.sys"];

/// An image in memory.
#[derive(Debug)]
pub struct Module {
    /// Its file name.
    pub name: String,
    /// Where it begins.
    pub base: u64,
    /// Its bytes.
    pub size: u32,
    /// Its entry point, if it has one.
    pub entry: Option<u64>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What its imports are bound to, by their slots.
    bound: Vec<(u32, Target)>,
    /// Its imports are bound to the kernel's checked entries.
    checked: AtomicBool,
    /// What it exports: names and addresses.
    pub exports: Vec<(String, u64)>,
    /// Its pages.
    frames: Vec<u64>,
    /// Where its table of functions is, and how many bytes.
    exceptions: (u32, u32),
    /// The functions that may be called by a pointer, in order, if it says which.
    guarded: Option<Vec<u32>>,
    /// Pages that are given back once the driver is initialized: first and count.
    discardable: Vec<(u64, u64)>,
    /// Its sections.
    pub sections: Vec<Section>,
    /// It wants its integrity checked.
    pub force_integrity: bool,
}

/// A section of an image in memory.
#[derive(Clone, Debug)]
pub struct Section {
    /// Where it begins.
    pub first: u64,
    /// Its pages.
    pub pages: u64,
    /// How it is mapped.
    pub access: Access,
    /// It is pageable: its name begins with `PAGE`.
    pub pageable: bool,
    /// It is not there once the driver is initialized.
    pub discardable: bool,
}

/// The images, for look-ups at any IRQL: slots are filled and emptied one at a time, and an
/// image is only unloaded when nothing of it runs any more.
static MODULES: [AtomicPtr<Module>; MAXIMUM_MODULES] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; MAXIMUM_MODULES];
/// How many slots have ever been used.
static SLOTS: AtomicUsize = AtomicUsize::new(0);
/// Protects the slots against two that load at once, and those that are bound anew against their
/// unloading. A leaf.
static LOADING: SpinLock<()> = SpinLock::new(());

/// All images in memory.
pub fn all() -> impl Iterator<Item = &'static Module> {
    let slots = SLOTS.load(Ordering::Acquire);
    MODULES[..slots].iter().filter_map(|slot| {
        let module = slot.load(Ordering::Acquire);
        // SAFETY: what is in a slot was leaked, and is taken out before it is freed.
        unsafe { module.as_ref() }
    })
}

/// The image that an address is in. Any IRQL.
#[must_use]
pub fn find(address: u64) -> Option<&'static Module> {
    all().find(|module| (module.base..module.base + u64::from(module.size)).contains(&address))
}

/// The name of the image that an address is in, and the offset in it. nthost is not loaded: its
/// addresses are their own offsets. Any IRQL.
#[must_use]
pub fn module_of(address: u64) -> (&'static str, u64) {
    match find(address) {
        Some(module) => (&module.name, address - module.base),
        None if address >= KERNEL_BASE => ("nthost", address),
        None => ("?", address),
    }
}

/// How an image is loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Its imports are bound to the kernel's checked entries, not to the routines themselves.
    pub checked: bool,
    /// It is refused if it has code that can be written, as Windows refuses it where it enforces
    /// the integrity of code.
    pub code_integrity: bool,
}

/// What an import is bound to.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// A routine or variable of the kernel's: to one of its entries.
    Kernel(&'static Export),
    /// A routine or variable of an export driver's.
    Driver(u64),
}

impl Target {
    /// The address that the driver finds.
    fn address(self, checked: bool) -> u64 {
        match self {
            Self::Kernel(export) => export.entry(checked) as u64,
            Self::Driver(address) => address,
        }
    }
}

fn resolve(import: &Import) -> Option<Target> {
    if KERNEL_IMAGES.contains(&import.library.as_str()) {
        let mut exports = export::all().iter();
        return exports
            .find(|export| export.name == import.name)
            .map(Target::Kernel);
    }
    let module = all().find(|module| module.name.eq_ignore_ascii_case(&import.library))?;
    module
        .exports
        .iter()
        .find(|(name, _)| *name == import.name)
        .map(|&(_, address)| Target::Driver(address))
}

/// Loads an image: checks it, lays it out in system space, binds its imports, protects it.
/// PASSIVE_LEVEL.
///
/// # Errors
///
/// A [`Fault`]; nothing of the image is left then.
pub fn load(name: &str, bytes: &[u8], options: LoadOptions) -> Result<&'static Module, Fault> {
    let image = Image::parse(bytes)?;
    if options.code_integrity
        && let Some(section) = image.writable_code()
    {
        return Err(Fault::WriteExecute(section.name.clone()));
    }
    let imports = image.imports()?;
    let (mut bound, mut missing) = (Vec::new(), Vec::new());
    for import in &imports {
        match resolve(import) {
            Some(target) => bound.push((import.slot, target)),
            None => missing.push((import.library.clone(), import.name.clone())),
        }
    }
    if !missing.is_empty() {
        return Err(Fault::Imports(missing));
    }
    let pages = u64::from(image.size).div_ceil(PAGE_SIZE);
    let mut frames = Vec::with_capacity(pages as usize);
    for _ in 0..pages {
        if let Some(frame) = phys::allocate(&Request::any(1)) {
            frames.push(frame);
        } else {
            free_frames(&frames);
            return Err(Fault::NoMemory);
        }
    }
    // SAFETY: the pages are ours.
    let Some(base) = (unsafe { paging::map_range(frames.iter().copied(), Access::WRITE) }) else {
        free_frames(&frames);
        return Err(Fault::NoMemory);
    };
    let at = core::ptr::with_exposed_provenance_mut::<u8>(base as usize);
    let length = (pages * PAGE_SIZE) as usize;
    // SAFETY: just mapped, and nobody else knows it.
    let memory = unsafe { core::slice::from_raw_parts_mut(at, length) };
    memory.fill(0);
    let laid_out = image.lay_out(memory, base);
    if let Err(fault) = laid_out {
        // SAFETY: nothing of it has run.
        unsafe { unmap(base, &frames) };
        return Err(fault);
    }
    for &(slot, target) in &bound {
        let slot = slot as usize;
        memory[slot..slot + 8].copy_from_slice(&target.address(options.checked).to_le_bytes());
    }
    if let Some(offset) = image.security_cookie {
        // Any value will do that an attacker does not know; its upper 16 bits are zero.
        let cookie = hal::time::counter().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16 | 1;
        let offset = offset as usize;
        memory[offset..offset + 8].copy_from_slice(&cookie.to_le_bytes());
    }
    let mut discardable = Vec::new();
    let mut sections = Vec::new();
    protect(base, 0, 4096, Access::empty());
    for section in &image.sections {
        let mut access = Access::empty();
        access.set(Access::WRITE, section.write);
        access.set(Access::EXECUTE, section.execute);
        let first = base + u64::from(section.address);
        let count = u64::from(section.size).div_ceil(PAGE_SIZE);
        protect(base, section.address, section.size, access);
        let pageable = section.name.starts_with("PAGE") && !section.discardable;
        sections.push(Section {
            first,
            pages: count,
            access,
            pageable,
            discardable: section.discardable,
        });
        // Relocations and the like are not needed by anybody; unwinding needs the rest.
        if section.discardable && section.name != ".pdata" && section.name != ".xdata" {
            discardable.push((first, count));
        }
    }
    crate::ke::ipi::flush_tlb();
    let exports = image.exports()?;
    let exports = exports
        .into_iter()
        .map(|(name, offset)| (name, base + u64::from(offset)))
        .collect();
    let module = Box::new(Module {
        name: name.into(),
        base,
        size: image.size,
        entry: (image.entry != 0).then(|| base + u64::from(image.entry)),
        imports,
        bound,
        checked: AtomicBool::new(options.checked),
        exports,
        frames,
        exceptions: image.exceptions,
        guarded: image.guarded,
        discardable,
        sections,
        force_integrity: image.force_integrity,
    });
    let module = register(Box::into_raw(module))?;
    loaded::announce(name, base);
    for section in module.sections.iter().filter(|section| section.pageable) {
        let _: bool = module.make_pageable(section);
    }
    Ok(module)
}

/// Binds the imports of each image in memory to the kernel's checked entries, if `checked` says
/// so of it, or else to the routines themselves. Images may run meanwhile: each call goes to the
/// one or the other. Routines that a driver found by MmGetSystemRoutineAddress stay as they are.
/// PASSIVE_LEVEL.
pub fn bind_all(checked: impl Fn(&Module) -> bool) {
    let _guard = LOADING.lock();
    for module in all() {
        module.bind(checked(module));
    }
}

fn register(module: *mut Module) -> Result<&'static Module, Fault> {
    let _guard = LOADING.lock();
    let slots = SLOTS.load(Ordering::Relaxed);
    let free = MODULES
        .iter()
        .position(|slot| slot.load(Ordering::Relaxed).is_null());
    let Some(free) = free else {
        return Err(Fault::NoMemory);
    };
    // Release: whoever finds it sees it whole.
    MODULES[free].store(module, Ordering::Release);
    SLOTS.store(slots.max(free + 1), Ordering::Release);
    // SAFETY: it lives until it is unloaded.
    Ok(unsafe { &*module })
}

fn protect(base: u64, offset: u32, size: u32, access: Access) {
    for page in 0..u64::from(size).div_ceil(PAGE_SIZE) {
        // SAFETY: nothing of the image runs yet.
        let _ = unsafe { paging::protect(base + u64::from(offset) + page * PAGE_SIZE, access) };
    }
}

fn free_frames(frames: &[u64]) {
    for &frame in frames {
        // SAFETY: they were allocated by the caller, and are not mapped.
        unsafe { phys::free(frame, 1) };
    }
}

/// # Safety
///
/// Nothing of the image runs, and nobody refers to it.
unsafe fn unmap(base: u64, frames: &[u64]) {
    // SAFETY: the caller's promise. Pages that are gone already are passed over.
    unsafe { paging::unmap_range(base, frames.len() as u64) };
    free_frames(frames);
}

impl Module {
    /// Whether its imports are bound to the kernel's checked entries. Any IRQL.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.checked.load(Ordering::Relaxed)
    }

    fn bind(&self, checked: bool) {
        self.checked.store(checked, Ordering::Relaxed);
        for &(slot, target) in &self.bound {
            let (page, offset) = (u64::from(slot) / PAGE_SIZE, u64::from(slot) % PAGE_SIZE);
            // A slot that is not aligned as a pointer stays as it is: another processor could read
            // half of it.
            let Some(&frame) = self.frames.get(page as usize).filter(|_| slot % 8 == 0) else {
                continue;
            };
            let at = paging::physical(frame + offset).cast::<AtomicU64>();
            // SAFETY: the page is the image's; as the image sees it, it may only be read.
            let slot = unsafe { &*at };
            // Relaxed: both entries are good at any time.
            slot.store(target.address(checked), Ordering::Relaxed);
        }
    }

    /// Takes away what is only needed until the driver is initialized: touching it from then
    /// on is a page fault. The pages themselves are freed with the image.
    ///
    /// # Safety
    ///
    /// `DriverEntry` has returned.
    pub unsafe fn discard_initialization(&self) {
        for &(first, count) in &self.discardable {
            for page in 0..count {
                // SAFETY: the caller's promise; the section says that nobody needs it.
                let _ = unsafe { paging::unmap(first + page * PAGE_SIZE) };
            }
        }
        crate::ke::ipi::flush_tlb();
    }

    /// Unloads the image: its addresses are nobody's from here on.
    ///
    /// # Safety
    ///
    /// The driver's unload routine has returned, and nothing of it is queued anywhere.
    pub unsafe fn unload(&self) {
        let this = core::ptr::from_ref(self).cast_mut();
        let guard = LOADING.lock();
        for slot in &MODULES {
            if slot.load(Ordering::Relaxed) == this {
                slot.store(core::ptr::null_mut(), Ordering::Release);
            }
        }
        drop(guard);
        for section in &self.sections {
            pageable::remove(section.first);
        }
        section::forget(self.base..self.base + u64::from(self.size));
        // SAFETY: the caller's promise; it is in no slot any more.
        let module = unsafe { Box::from_raw(this) };
        // SAFETY: likewise.
        unsafe { unmap(module.base, &module.frames) };
    }

    /// The section that an address is in.
    #[must_use]
    pub fn section(&self, address: u64) -> Option<&Section> {
        self.sections.iter().find(|section| {
            (section.first..section.first + section.pages * PAGE_SIZE).contains(&address)
        })
    }

    /// Makes a section pageable: it may be touched below DISPATCH_LEVEL alone. Whether it was not
    /// before.
    #[must_use]
    pub fn make_pageable(&self, section: &Section) -> bool {
        let index = ((section.first - self.base) / PAGE_SIZE) as usize;
        let frames = self.frames.get(index..index + section.pages as usize);
        pageable::add(section.first, frames.unwrap_or_default(), section.access)
    }

    /// The function that an address is in; a leaf function has no entry.
    #[must_use]
    pub fn function(&self, address: u64) -> Option<RuntimeFunction> {
        let offset = u32::try_from(address.checked_sub(self.base)?).ok()?;
        unwind::lookup(self.image(), self.exceptions, offset)
    }
}

impl Module {
    /// Whether a function, by its offset, may be called by a pointer: it is in the image's table, or
    /// there is none.
    #[must_use]
    pub fn may_be_called(&self, function: u32) -> bool {
        let guarded = self.guarded.as_ref();
        guarded.is_none_or(|guarded| guarded.binary_search(&function).is_ok())
    }

    /// The address of the table entry of the function that an address is in.
    #[must_use]
    pub fn function_entry(&self, address: u64) -> Option<u64> {
        let function = self.function(address)?;
        let table = self.image().get(self.exceptions.0 as usize..)?;
        let index = table
            .as_chunks::<12>()
            .0
            .iter()
            .position(|entry| entry.first_chunk() == Some(&function.begin.to_le_bytes()))?;
        Some(self.base + u64::from(self.exceptions.0) + 12 * index as u64)
    }
}

impl Memory for Module {
    fn image(&self) -> &[u8] {
        let at = core::ptr::with_exposed_provenance::<u8>(self.base as usize);
        // SAFETY: the image is mapped; what is read of it, tables and code, does not change.
        unsafe { core::slice::from_raw_parts(at, self.size as usize) }
    }

    fn stack(&self, address: u64) -> Option<u64> {
        if address & 7 != 0 || paging::translate(address).is_none() {
            return None;
        }
        let at = core::ptr::with_exposed_provenance::<u64>(address as usize);
        // SAFETY: it can be read, and any bits are a word.
        Some(unsafe { at.read() })
    }
}
