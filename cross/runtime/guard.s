# What Control Flow Guard needs of a run-time library: the load configuration, which tells the
# kernel where the guard's two pointers and the table of call targets are, and what the pointers
# point to until the kernel that loads the image puts its own routines there. The WDK has the
# same in BufferOverflowFastFailK.lib. The linker fills in the three __guard symbols when it is
# called with /GUARD:CF, as rustc does for -C control-flow-guard, and makes zeros of them else.
#
# Sources: "The Load Configuration Structure" in the documentation of the PE format;
# IMAGE_LOAD_CONFIG_DIRECTORY64 in winnt.h for the offsets.

    .text
    .globl guard_check_icall_nop
# Called before an indirect call, with its target in rcx.
guard_check_icall_nop:
    ret

    .globl guard_dispatch_icall_nop
# Called in place of an indirect call, with its target in rax.
guard_dispatch_icall_nop:
    jmp *%rax

    .section .00cfg,"dr"
    .balign 8
    .globl __guard_check_icall_fptr
__guard_check_icall_fptr:
    .quad guard_check_icall_nop
    .globl __guard_dispatch_icall_fptr
__guard_dispatch_icall_fptr:
    .quad guard_dispatch_icall_nop

    .section .rdata,"dr"
    .balign 8
    .globl _load_config_used
_load_config_used:
    .long 0x94                          # Size: up to and with GuardFlags
    .fill 0x70 - 0x04, 1, 0
    .quad __guard_check_icall_fptr      # 0x70 GuardCFCheckFunctionPointer
    .quad __guard_dispatch_icall_fptr   # 0x78 GuardCFDispatchFunctionPointer
    .quad __guard_fids_table            # 0x80 GuardCFFunctionTable
    .quad __guard_fids_count            # 0x88 GuardCFFunctionCount
    .long __guard_flags                 # 0x90 GuardFlags
