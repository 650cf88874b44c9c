/*
 * Strings, memory, bitmaps, times.
 */
#include "rules.h"

/* The DDK has it among what file systems use. */
NTSYSAPI NTSTATUS NTAPI RtlUpcaseUnicodeToMultiByteN(PCHAR to, ULONG room, PULONG length,
                                                     PCWCH from, ULONG bytes);

NTSYSAPI NTSTATUS NTAPI RtlDowncaseUnicodeString(PUNICODE_STRING to, PCUNICODE_STRING from,
                                                 BOOLEAN own);

static VOID upper_case(VOID)
{
    CHAR bytes[4];
    ULONG length = 0;
    RULE("upper case is made of as much as there is room for",
         RtlUpcaseUnicodeToMultiByteN(bytes, 3, &length, L"k\xe9rnel", 12) == STATUS_SUCCESS &&
             length == 3 && RtlCompareMemory(bytes, "K\xc9R", 3) == 3);
}

/*
 * A string that RtlUpcaseUnicodeString allocates is as long as its source, and has no NUL; ReactOS's
 * and Wine's tests of the routine compare its MaximumLength with the source's Length.
 */
static VOID own_upper_case(VOID)
{
    UNICODE_STRING from = RTL_CONSTANT_STRING(L"Kernel"), none = {0, 2, L""}, to, lower;
    RULE("an upper case string of its own is as long as its source",
         RtlUpcaseUnicodeString(&to, &from, TRUE) == STATUS_SUCCESS && EQUAL_TEXT(&to, L"KERNEL") &&
             to.MaximumLength == from.Length);
    RULE("so is one in lower case",
         RtlDowncaseUnicodeString(&lower, &from, TRUE) == STATUS_SUCCESS &&
             EQUAL_TEXT(&lower, L"kernel") && lower.MaximumLength == from.Length);
    RtlFreeUnicodeString(&to);
    RtlFreeUnicodeString(&lower);
    RULE("nothing in upper case is nothing, and is freed",
         RtlUpcaseUnicodeString(&to, &none, TRUE) == STATUS_SUCCESS && to.Length == 0);
    RtlFreeUnicodeString(&to);
}

/* The page that is shared with user mode, which newer headers' inlines read. */
static VOID shared_data(VOID)
{
    const volatile UCHAR *page = (PUCHAR)0xfffff78000000000;
    RTL_OSVERSIONINFOEXW version = {.dwOSVersionInfoSize = sizeof(version)};
    ULONG i;
    BOOLEAN same = TRUE;
    RtlGetVersion((PVOID)&version);
    RULE("the version in the shared page is RtlGetVersion's",
         *(const ULONG *)(page + 0x26c) == version.dwMajorVersion &&
             *(const ULONG *)(page + 0x270) == version.dwMinorVersion &&
             *(const ULONG *)(page + 0x260) == version.dwBuildNumber);
    RULE("so is the product's type, and it is said to be valid",
         *(const ULONG *)(page + 0x264) == version.wProductType && page[0x268] == 1);
    for (i = 0; i < 64; i++)
        same &= page[0x274 + i] == ExIsProcessorFeaturePresent(i);
    RULE("the features in the shared page are ExIsProcessorFeaturePresent's", same);
    RULE("the shared page counts the processors",
         *(const ULONG *)(page + 0x3c0) ==
             KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS));
}

static VOID strings(VOID)
{
    UNICODE_STRING a, b, copy;
    ANSI_STRING ansi;
    WCHAR buffer[8];
    ULONG number;
    RtlInitUnicodeString(&a, L"Kernel");
    RULE("a string's length leaves its end out", a.Length == 12 && a.MaximumLength == 14);
    RtlInitUnicodeString(&b, NULL);
    RULE("no text is an empty string", b.Length == 0 && b.MaximumLength == 0 && !b.Buffer);
    RtlInitUnicodeString(&b, L"KERNEL");
    RULE("strings are compared with their case",
         !RtlEqualUnicodeString(&a, &b, FALSE) && RtlCompareUnicodeString(&a, &b, FALSE) > 0);
    RULE("strings are compared without their case",
         RtlEqualUnicodeString(&a, &b, TRUE) && RtlCompareUnicodeString(&a, &b, TRUE) == 0);
    RtlInitUnicodeString(&b, L"Ker");
    RULE("a prefix comes first, and is one", RtlCompareUnicodeString(&b, &a, FALSE) < 0 &&
                                                 RtlPrefixUnicodeString(&b, &a, FALSE) &&
                                                 !RtlPrefixUnicodeString(&a, &b, FALSE));
    copy.Buffer = buffer;
    copy.Length = 0;
    copy.MaximumLength = 8;
    RtlCopyUnicodeString(&copy, &a);
    RULE("a copy is cut to its room",
         copy.Length == 8 && RtlCompareMemory(buffer, L"Kern", 8) == 8);
    RULE("what does not fit is not appended",
         RtlAppendUnicodeStringToString(&copy, &b) == STATUS_BUFFER_TOO_SMALL && copy.Length == 8);
    copy.MaximumLength = sizeof(buffer);
    RULE("what fits is appended",
         RtlAppendUnicodeToString(&copy, L"el") == STATUS_SUCCESS && EQUAL_TEXT(&copy, L"Kernel"));
    RtlInitUnicodeString(&b, L"-42");
    RULE("a number may have a sign",
         RtlUnicodeStringToInteger(&b, 10, &number) == STATUS_SUCCESS && (LONG)number == -42);
    RtlInitUnicodeString(&b, L"0x1F rest");
    RULE("a number's prefix says its base",
         RtlUnicodeStringToInteger(&b, 0, &number) == STATUS_SUCCESS && number == 0x1f);
    RULE("there is no base 7",
         RtlUnicodeStringToInteger(&b, 7, &number) == STATUS_INVALID_PARAMETER);
    RULE("a number is written in its base",
         RtlIntegerToUnicodeString(48879, 16, &copy) == STATUS_SUCCESS &&
             EQUAL_TEXT(&copy, L"BEEF"));
    copy.MaximumLength = 4;
    RULE("a number needs room",
         RtlIntegerToUnicodeString(48879, 16, &copy) == STATUS_BUFFER_OVERFLOW);
    copy.MaximumLength = sizeof(buffer);
    RULE("a string is made upper case",
         RtlUpcaseUnicodeString(&copy, &a, FALSE) == STATUS_SUCCESS &&
             EQUAL_TEXT(&copy, L"KERNEL"));
    RULE("a character is made upper case",
         RtlUpcaseUnicodeChar(0xe9) == 0xc9 && RtlUpcaseUnicodeChar('1') == '1');
    RtlInitAnsiString(&ansi, "abc");
    RULE("an ANSI string becomes a Unicode one, allocated",
         RtlAnsiStringToUnicodeString(&b, &ansi, TRUE) == STATUS_SUCCESS &&
             EQUAL_TEXT(&b, L"abc") && b.MaximumLength >= 8);
    RtlFreeUnicodeString(&b);
    RULE("a freed string is empty", !b.Buffer && b.Length == 0);
    RULE("a Unicode string becomes an ANSI one, allocated",
         RtlUnicodeStringToAnsiString(&ansi, &a, TRUE) == STATUS_SUCCESS && ansi.Length == 6 &&
             ansi.Buffer[6] == 0 && RtlCompareMemory(ansi.Buffer, "Kernel", 6) == 6);
    RtlFreeAnsiString(&ansi);
}

static VOID memory(VOID)
{
    UCHAR a[16], b[16];
    RtlFillMemory(a, sizeof(a), 7);
    RtlFillMemory(b, sizeof(b), 7);
    RULE("equal memory is equal to its end", RtlCompareMemory(a, b, sizeof(a)) == sizeof(a));
    b[5] = 8;
    RULE("memory is equal up to the first difference", RtlCompareMemory(a, b, sizeof(a)) == 5);
    RtlMoveMemory(a + 1, a, 4);
    RtlZeroMemory(a, 3);
    RULE("memory is zeroed", a[0] == 0 && a[2] == 0 && a[3] == 7);
}

static VOID bitmaps(VOID)
{
    ULONG bits[2] = {0};
    RTL_BITMAP map;
    RtlInitializeBitMap(&map, bits, 40);
    RtlSetBits(&map, 4, 30);
    RULE("bits are set", bits[0] == 0xfffffff0 && bits[1] == 3);
    RULE("set bits are counted", RtlNumberOfSetBits(&map) == 30);
    RULE("clear bits are found and set, from a hint on", RtlFindClearBitsAndSet(&map, 4, 34) == 34);
    RULE("clear bits are found before the hint if not after it",
         RtlFindClearBits(&map, 4, 20) == 0);
    RULE("too many clear bits are not found", RtlFindClearBits(&map, 5, 0) == 0xffffffff);
    RtlClearBits(&map, 10, 2);
    RULE("bits are cleared",
         !RtlTestBit(&map, 10) && !RtlTestBit(&map, 11) && RtlTestBit(&map, 12));
    RULE("ranges are checked",
         RtlAreBitsSet(&map, 4, 6) && !RtlAreBitsSet(&map, 4, 7) && RtlAreBitsClear(&map, 10, 2));
    RtlClearAllBits(&map);
    RULE("all bits are cleared", RtlNumberOfSetBits(&map) == 0);
    RtlSetAllBits(&map);
    RULE("all bits are set", RtlNumberOfSetBits(&map) == 40);
}

static VOID times(VOID)
{
    TIME_FIELDS fields = {.Year = 2024,
                          .Month = 2,
                          .Day = 29,
                          .Hour = 12,
                          .Minute = 34,
                          .Second = 56,
                          .Milliseconds = 789};
    TIME_FIELDS back;
    LARGE_INTEGER time;
    RULE("fields become a time",
         RtlTimeFieldsToTime(&fields, &time) && time.QuadPart == 133536836967890000LL);
    RtlTimeToTimeFields(&time, &back);
    RULE("a time becomes its fields", back.Year == 2024 && back.Month == 2 && back.Day == 29 &&
                                          back.Hour == 12 && back.Minute == 34 &&
                                          back.Second == 56 && back.Milliseconds == 789 &&
                                          back.Weekday == 4);
    fields.Day = 30;
    RULE("a day that does not exist is no time", !RtlTimeFieldsToTime(&fields, &time));
    time.QuadPart = 0;
    RtlTimeToTimeFields(&time, &back);
    RULE("time begins on Monday, 1 January 1601",
         back.Year == 1601 && back.Month == 1 && back.Day == 1 && back.Weekday == 1);
}

static VOID identifiers(VOID)
{
    GUID id = {0x12345678, 0x9abc, 0xdef0, {1, 2, 3, 4, 5, 6, 7, 8}}, back;
    UNICODE_STRING text, wanted = RTL_CONSTANT_STRING(L"{12345678-9abc-def0-0102-030405060708}");
    RULE("an identifier becomes a text", RtlStringFromGUID(&id, &text) == STATUS_SUCCESS &&
                                             RtlEqualUnicodeString(&text, &wanted, TRUE));
    RULE("a text becomes an identifier",
         RtlGUIDFromString(&text, &back) == STATUS_SUCCESS &&
             RtlCompareMemory(&id, &back, sizeof(id)) == sizeof(id));
    text.Length -= 2;
    RULE("an unfinished text is no identifier",
         RtlGUIDFromString(&text, &back) == STATUS_INVALID_PARAMETER);
    RtlFreeUnicodeString(&text);
}

VOID check_rtl(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    strings();
    upper_case();
    own_upper_case();
    shared_data();
    memory();
    bitmaps();
    times();
    identifiers();
    check_seldom_rtl();
}
