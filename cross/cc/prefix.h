/*
 * Read before anything else of each file that `cargo xtask cc` compiles: annotations that
 * mingw-w64's headers do not have, which say nothing to a compiler, and the words of C that Microsoft's
 * compiler has and others have not.
 */
#pragma once

#ifndef __cplusplus
#define try __try
#define except __except
#define finally __finally
#define leave __leave
#endif

/* mingw-w64's swprintf has the length of C99; that which the kernel exports has none. */
#define _INC_SWPRINTF_INL

/* SAL, and the annotations of drivers ("SAL 2 Annotations for Windows Drivers"). */
#define _Dispatch_type_(type)
#define _Kernel_clear_do_init_(yes)
#define _Kernel_float_restored_
#define _Kernel_float_saved_
#define _Kernel_float_used_
#define _Kernel_IoGetDmaAdapter_
#define _Kernel_releases_resource_(kind)
#define _Kernel_requires_resource_held_(kind)
#define _Kernel_requires_resource_not_held_(kind)
#define _Kernel_acquires_resource_(kind)
#define _Flt_CompletionContext_Outptr_
#define _Enum_is_bitflag_
#define _Struct_size_bytes_(size)
#define _Strict_type_match_
#define _Analysis_assume_(condition)
#define _Analysis_assume_nullterminated_(text)
#define _Analysis_mode_(mode)
#define _Analysis_noreturn_
#define _Maybe_raises_SEH_exception_
#define _Raises_SEH_exception_
#define _Requires_lock_held_(lock)
#define _Requires_lock_not_held_(lock)
#define _Requires_no_locks_held_
#define _Requires_exclusive_lock_held_(lock)
#define _Requires_shared_lock_held_(lock)
#define _Acquires_lock_(lock)
#define _Acquires_exclusive_lock_(lock)
#define _Acquires_nonreentrant_lock_(lock)
#define _Acquires_shared_lock_(lock)
#define _Releases_lock_(lock)
#define _Releases_exclusive_lock_(lock)
#define _Releases_nonreentrant_lock_(lock)
#define _Releases_shared_lock_(lock)
#define _Guarded_by_(lock)
#define _Write_guarded_by_(lock)
#define _Interlocked_
#define _Interlocked_operand_
#define _Has_lock_kind_(kind)
#define _Has_lock_level_(level)
#define _Lock_level_order_(first, second)
#define _Create_lock_level_(level)
#define _Post_same_lock_(first, second)
#define __drv_maxIRQL(irql)
#define __drv_minIRQL(irql)
#define __drv_requiresIRQL(irql)
#define __drv_sameIRQL
#define __drv_setsIRQL(irql)
#define __drv_raisesIRQL(irql)
#define __drv_dispatchType(type)
#define __drv_functionClass(class)
#define __drv_allocatesMem(kind)
#define __drv_freesMem(kind)
#define __drv_aliasesMem
#define __drv_reportError(text)
#define __drv_when(condition, annotations)
#define __drv_in(annotations)
#define __drv_out(annotations)
#define __drv_mustHold(kind)
#define __drv_mustHoldCriticalRegion
#define __drv_acquiresCriticalRegion
#define __drv_releasesCriticalRegion

/* mingw-w64's sal.h has some of what follows; a second definition of the same is none. */
#include <sal.h>
#include <specstrings.h>
#include <driverspecs.h>
#ifndef _IRQL_always_function_max_
#define _IRQL_always_function_max_(irql)
#endif
#ifndef _IRQL_is_cancel_
#define _IRQL_is_cancel_
#endif
#ifndef _IRQL_uses_cancel_
#define _IRQL_uses_cancel_
#endif
#ifndef _IRQL_restores_
#define _IRQL_restores_
#endif
#ifndef _IRQL_restores_global_
#define _IRQL_restores_global_(kind, parameter)
#endif
#ifndef _IRQL_saves_
#define _IRQL_saves_
#endif
#ifndef _IRQL_saves_global_
#define _IRQL_saves_global_(kind, parameter)
#endif
#ifndef _IRQL_raises_
#define _IRQL_raises_(irql)
#endif
#ifndef _Function_class_
#define _Function_class_(name)
#endif
#ifndef _Ret_maybenull_
#define _Ret_maybenull_
#endif
#ifndef _Post_maybenull_
#define _Post_maybenull_
#endif
#ifndef _When_
#define _When_(condition, annotations)
#endif
#ifndef _At_
#define _At_(target, annotations)
#endif
#ifndef _Success_
#define _Success_(condition)
#endif
#ifndef _Return_type_success_
#define _Return_type_success_(condition)
#endif
#ifndef _Inout_opt_
#define _Inout_opt_
#endif

#ifdef __cplusplus
/* <new>, without a library: what an aligned operator new is told. */
namespace std
{
enum class align_val_t : decltype(sizeof(0)) {};
} // namespace std
#endif
