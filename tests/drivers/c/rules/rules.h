/*
 * A driver that checks what is documented of the routines that it imports: each rule has a name,
 * and one that does not hold is told with its place.
 *
 * A file for each component has one routine, which is called at PASSIVE_LEVEL in a system thread.
 */
#pragma once
#include <ntddk.h>

#define TAG 'luRT'

VOID rule(PCSTR name, BOOLEAN holds, PCSTR file, int line);

#define RULE(name, condition) rule(name, !!(condition), __FILE_NAME__, __LINE__)
#define EQUAL_TEXT(string, text)                                                                   \
    (RtlCompareMemory((string)->Buffer, text, sizeof(text) - sizeof(WCHAR)) ==                     \
         sizeof(text) - sizeof(WCHAR) &&                                                           \
     (string)->Length == sizeof(text) - sizeof(WCHAR))

/* A routine that the import library does not know; it is a rule that there is one. */
PVOID routine(PCWSTR name);

VOID check_ke(PDRIVER_OBJECT driver);
/* What check_ke also checks. */
VOID check_floating_point(VOID);
VOID check_ex(PDRIVER_OBJECT driver);
VOID check_io(PDRIVER_OBJECT driver);
/* What check_io also checks. */
VOID check_interface_names(VOID);
VOID check_mm(PDRIVER_OBJECT driver);
/* What check_mm also checks. */
VOID check_mappings(VOID);
VOID check_ob(PDRIVER_OBJECT driver);
/* What check_ob also checks. */
VOID check_objects(PDRIVER_OBJECT driver);
VOID check_handles(VOID);
VOID check_rtl(PDRIVER_OBJECT driver);
/* What check_rtl and check_hal also check: routines that are seldom called. */
VOID check_seldom_rtl(VOID);
VOID check_seldom_hal(VOID);
VOID check_registry(PDRIVER_OBJECT driver);
VOID check_hal(PDRIVER_OBJECT driver);
VOID check_se(PDRIVER_OBJECT driver);
/* What check_se also checks. */
VOID check_access(PDRIVER_OBJECT driver);
VOID check_tokens(VOID);
VOID check_apc(PDRIVER_OBJECT driver);
VOID check_requestor(PDRIVER_OBJECT driver);
VOID check_etw(PDRIVER_OBJECT driver);
VOID check_controller(PDRIVER_OBJECT driver);
VOID check_queue(PDRIVER_OBJECT driver);
VOID check_filter(PDRIVER_OBJECT driver);

/* Starts a system thread, and gives its object, which is to be dereferenced. */
PVOID start_thread(PKSTART_ROUTINE routine, PVOID context);
/* Waits for the end of a thread that start_thread gave, and gives it up. */
VOID join(PVOID thread);
