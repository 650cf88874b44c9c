//! Which routines can run at the same time, and what protects what they share.
//!
//! # Who can run beside whom
//!
//! The routines of *one* `edu` device, each on a processor of its own. A yes names what keeps the
//! two apart; a dash means that they cannot run at the same time, and why. The table is
//! symmetric, so its upper half is left out.
//!
//! | | dispatch | cancel | ISR | DPC | time-out | list control | PnP, power, reset |
//! |---|---|---|---|---|---|---|---|
//! | **dispatch** (create … device control) | yes ①② | | | | | | |
//! | **cancel** (the cancel-safe queue's) | yes ① | yes ① | | | | | |
//! | **ISR** | yes ③ | yes, nothing shared | – ④ | | | | |
//! | **DPC** | yes ② | yes ① | yes ③ | yes ②⑤ | | | |
//! | **time-out** (a wait's timer DPC) | yes ① | yes ① | yes, nothing shared | yes ① | yes ① | | |
//! | **list control** (memory is mapped) | yes ② | yes ① | yes, nothing shared | yes ② | yes ① | – ⑥ | |
//! | **PnP, power, reset** | yes ②⑦ | yes ① | yes ③ | yes ② | yes ① | yes ② | – ⑧ |
//!
//! 1. *The queue's list lock*, a spin lock that the cancel-safe queue (`IoCsq…`) takes around
//!    each insertion and removal. An IRP is on its queue before it can be canceled, and the code
//!    that removes it owns it: the canceller, the DPC, the time-out or the cleanup, never two.
//! 2. *The queue's lock* ([`crate::edu`]'s `Queue::active`), one for each of the four queues. The
//!    DPC and the dispatch routines only try it: what they came for is posted to an atomic word
//!    first, which the holder looks at again after releasing the lock
//!    ([`eduwdm_logic::handoff`]). PnP and power wait for it, at PASSIVE_LEVEL before, for as
//!    long as a turn takes.
//! 3. *Atomics*, and the interrupt spin lock. The ISR hands over bits by one atomic word; counters
//!    are each processor's own. Whether the ISR may touch the device is changed under the
//!    interrupt spin lock alone.
//! 4. The kernel holds the interrupt spin lock while the ISR runs: the interrupt may come on
//!    another processor, and waits there.
//! 5. One DPC object, but queued again while it runs: the second run may begin on another
//!    processor before the first ends. Each takes the bits that are there; the queues' locks sort
//!    out the rest.
//! 6. One channel, which one request owns along with the DMA engine: it has no second one mapped
//!    before it is given back.
//! 7. What is answered at once (identify, liveness, raise, topology) works with registers that lie
//!    in a lock of their own; PnP takes them out of it before they are unmapped.
//! 8. *The state's mutex* ([`wdm::function::FunctionDevice::state`]): one of them at a time. A
//!    remove additionally waits for all requests that hold the remove lock.
//!
//! Between two devices nothing is shared but the driver's image and the ETW provider.
//!
//! The watchdog's timer is as the DPC: it tries the queues' locks (②). The work item that it queues is
//! as PnP towards all but PnP itself, for which it does not wait: the two meet in the mutex of
//! `Edu::controls`, which PnP does not have while it waits for requests.
//!
//! The power management framework calls back on any thread, at up to DISPATCH_LEVEL, also from inside
//! of an activation. Its callbacks take no lock but the queues' (②), by trying, and what they request
//! comes as a power IRP. Whether the component may be used is one atomic word (`wdm::pofx`).
//!
//! For `pci-testdev` the table is shorter. The system gives StartIo one request at a time, which it
//! leaves to a work item. That runs it with the mutex of `Testdev::bars`; PnP waits for it by an
//! event, and takes that mutex then.
//!
//! # The order of locks
//!
//! From the outside in. A lock is taken only while holding ones further up; those of one line
//! never together.
//!
//! | level | lock | taken at | protects |
//! |---|---|---|---|
//! | 1 | `FunctionDevice::state` (mutex) | PASSIVE_LEVEL | PnP state, hardware, holds |
//! | 1a | `Edu::controls` (mutex) | PASSIVE_LEVEL | the interrupt, the bus's interface, what the device has not finished |
//! | 1a | `Testdev::bars` (mutex) | PASSIVE_LEVEL | the device's memory and ports |
//! | 2 | `Queue::active` of compute, write, read, events; `Testdev::active` | DISPATCH_LEVEL | the engine, its registers, why it is held; what StartIo decides by |
//! | 3 | `DmaSlot::idle` | DISPATCH_LEVEL | the DMA engine between requests |
//! | 4 | a cancel-safe queue's list lock; `DmaSlot::mapping` | DISPATCH_LEVEL | waiting requests; the request that is being mapped |
//! | 5 | `Edu::identification`, `Edu::raise`, `Edu::placement`, `Watchdog::parts`, `PowerState::map`, `PowerState::work`, `IdlePower::report`, `IdlePower::again` | DISPATCH_LEVEL | what each names |
//! | 6 | the interrupt spin lock | DIRQL | the ISR's registers and whether the device has power |
//!
//! The system's cancel spin lock is outside of this order: cancel-safe queues release it before
//! they take their own, and the device queue of `pci-testdev` takes it with nothing else held.
//!
//! No lock is held while an IRP is completed or sent down, while the DMA adapter is called, while a
//! component is activated, or while another queue is visited. Work of that kind leaves the lock first, as a list or
//! as the engine's `After`.
