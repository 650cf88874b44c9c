/*
 * What the linker has the loader do for a driver: a stack cookie of its own, and the tables of
 * calls that are guarded.
 *
 * The WDK has it in BufferOverflowFastFailK.lib.
 */
#include <ntddk.h>

#define DEFAULT_COOKIE 0x2B992DDFA232ULL

ULONG64 __security_cookie = DEFAULT_COOKIE;

VOID __security_check_cookie(ULONG64 cookie)
{
    /* int 0x29 with FAST_FAIL_STACK_COOKIE_CHECK_FAILURE. */
    if (cookie != __security_cookie)
        __asm__ volatile("int $0x29" : : "c"(2));
}

/* Without control flow guard in the kernel, a guarded call is a call. */
__attribute__((naked)) static VOID guard_check(VOID)
{
    __asm__("ret");
}

__attribute__((naked)) static VOID guard_dispatch(VOID)
{
    __asm__("jmp *%rax");
}

PVOID __guard_check_icall_fptr = guard_check;
PVOID __guard_dispatch_icall_fptr = guard_dispatch;
extern UCHAR __guard_fids_table[], __guard_fids_count[];
extern UCHAR __guard_longjmp_table[], __guard_longjmp_count[];

/* "The Load Configuration Structure" of "PE Format", as far as the linker wants it. */
typedef struct {
    ULONG size, stamp, version, global_flags_clear, global_flags_set, critical_section_timeout;
    PVOID free_threshold, total_free_threshold, lock_prefixes, most_allocation, virtual_threshold;
    ULONG64 affinity;
    ULONG heap_flags;
    USHORT service_pack, dependent_load_flags;
    PVOID edit_list, security_cookie, handler_table, handler_count;
    PVOID guard_check, guard_dispatch, guard_table, guard_count;
    ULONG guard_flags, code_integrity[3];
    PVOID import_table, import_count, jump_table, jump_count;
} LOAD_CONFIG;

/* IMAGE_GUARD_CF_INSTRUMENTED, _FUNCTION_TABLE_PRESENT and _LONGJUMP_TABLE_PRESENT. */
#define GUARD_FLAGS 0x10500

/* The linker finds it by its name. */
const LOAD_CONFIG _load_config_used = {
    .size = sizeof(LOAD_CONFIG),
    .security_cookie = &__security_cookie,
    .guard_check = &__guard_check_icall_fptr,
    .guard_dispatch = &__guard_dispatch_icall_fptr,
    .guard_table = __guard_fids_table,
    .guard_count = __guard_fids_count,
    .guard_flags = GUARD_FLAGS,
    .jump_table = __guard_longjmp_table,
    .jump_count = __guard_longjmp_count,
};
