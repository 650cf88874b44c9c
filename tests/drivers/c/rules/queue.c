/*
 * Queues that threads wait on for entries: their order, how many threads run at a time, and what
 * the end of a queue does to those who wait.
 */
#include <ntifs.h>
#include "rules.h"

#define MILLISECOND (-10000LL)
#define STATUS_ENTRY(status) ((PLIST_ENTRY)(ULONG_PTR)(status))

static KQUEUE queue;
static LIST_ENTRY entries[4];

static PLIST_ENTRY take(LONGLONG time)
{
    LARGE_INTEGER timeout = {.QuadPart = time};
    return KeRemoveQueue(&queue, KernelMode, &timeout);
}

static VOID order(VOID)
{
    PLIST_ENTRY first;
    KeInitializeQueue(&queue, 0);
    RULE("a queue lets as many run as there are processors",
         queue.MaximumCount == KeQueryActiveProcessorCount(NULL));
    RULE("a queue begins empty", KeReadStateQueue(&queue) == 0 && take(0) == STATUS_ENTRY(STATUS_TIMEOUT));
    RULE("a wait for an entry takes as long as it says",
         take(5 * MILLISECOND) == STATUS_ENTRY(STATUS_TIMEOUT));
    RULE("KeInsertQueue gives how many entries there were",
         KeInsertQueue(&queue, &entries[0]) == 0 && KeInsertQueue(&queue, &entries[1]) == 1);
    RULE("KeInsertHeadQueue gives how many entries there were",
         KeInsertHeadQueue(&queue, &entries[2]) == 2 && KeReadStateQueue(&queue) == 3);
    RULE("what was inserted at the head comes first", take(0) == &entries[2]);
    RULE("the others come in their order", take(0) == &entries[0] && take(0) == &entries[1]);
    RULE("a queue of which all was taken is empty", KeReadStateQueue(&queue) == 0);
    KeInsertQueue(&queue, &entries[0]);
    KeInsertQueue(&queue, &entries[1]);
    first = KeRundownQueue(&queue);
    RULE("KeRundownQueue gives the first entry, which leads to the others",
         first == &entries[0] && first->Flink == &entries[1] && entries[1].Flink == first);
    RULE("a queue that is run down gives nothing", take(0) == STATUS_ENTRY(STATUS_ABANDONED) &&
                                                       KeRemoveQueue(&queue, KernelMode, NULL) ==
                                                           STATUS_ENTRY(STATUS_ABANDONED));
    KeInitializeQueue(&queue, 1);
    RULE("an initialized queue can be used again", take(0) == STATUS_ENTRY(STATUS_TIMEOUT));
    RULE("an empty queue has no first entry", KeRundownQueue(&queue) == NULL);
}

static struct worker {
    KEVENT go, took;
    PLIST_ENTRY entry;
    BOOLEAN pause;
    PVOID thread;
} workers[2];

/* Takes an entry, and waits with it for its event if it is to, else runs on until it is told. */
static volatile LONG stop;

static VOID NTAPI work(PVOID context)
{
    struct worker *worker = context;
    worker->entry = KeRemoveQueue(&queue, KernelMode, NULL);
    KeSetEvent(&worker->took, 0, FALSE);
    if (worker->pause)
        KeWaitForSingleObject(&worker->go, Executive, KernelMode, FALSE, NULL);
    while (!stop)
        YieldProcessor();
}

static VOID begin(BOOLEAN pause)
{
    ULONG i;
    stop = 0;
    for (i = 0; i < 2; i++) {
        KeInitializeEvent(&workers[i].go, NotificationEvent, FALSE);
        KeInitializeEvent(&workers[i].took, NotificationEvent, FALSE);
        workers[i].entry = NULL;
        workers[i].pause = pause;
        workers[i].thread = start_thread(work, &workers[i]);
    }
}

static NTSTATUS took(LONGLONG time)
{
    LARGE_INTEGER timeout = {.QuadPart = time};
    PVOID events[] = {&workers[0].took, &workers[1].took};
    return KeWaitForMultipleObjects(2, events, WaitAll, Executive, KernelMode, FALSE, &timeout,
                                    NULL);
}

static VOID finish(VOID)
{
    ULONG i;
    stop = 1;
    for (i = 0; i < 2; i++)
        KeSetEvent(&workers[i].go, 0, FALSE);
    for (i = 0; i < 2; i++)
        join(workers[i].thread);
}

/* Waits until so many threads belong to the queue and wait for its entries. */
static VOID waiting(ULONG count)
{
    LARGE_INTEGER moment = {.QuadPart = MILLISECOND};
    for (;;) {
        ULONG there = 0;
        PLIST_ENTRY at;
        KIRQL irql;
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        for (at = queue.Header.WaitListHead.Flink; at != &queue.Header.WaitListHead; at = at->Flink)
            there++;
        KeLowerIrql(irql);
        if (there == count)
            return;
        KeDelayExecutionThread(KernelMode, FALSE, &moment);
    }
}

static VOID concurrency(VOID)
{
    LARGE_INTEGER moment = {.QuadPart = 20 * MILLISECOND};
    ULONG first;
    KeInitializeQueue(&queue, 1);
    begin(FALSE);
    waiting(2);
    RULE("those who wait do not count", queue.CurrentCount == 0);
    RULE("an entry that a thread waits for is not queued",
         KeInsertQueue(&queue, &entries[0]) == 0 && KeReadStateQueue(&queue) == 0);
    RULE("an entry beyond those that may run is queued",
         KeInsertQueue(&queue, &entries[1]) == 0 && KeReadStateQueue(&queue) == 1);
    KeDelayExecutionThread(KernelMode, FALSE, &moment);
    first = workers[0].entry ? 0 : 1;
    RULE("one of two threads has an entry as long as one may run",
         workers[first].entry == &entries[0] && !workers[1 - first].entry &&
             queue.CurrentCount == 1);
    stop = 1;
    RULE("a thread's end lets another have an entry", took(-100000000LL) == STATUS_SUCCESS &&
                                                          workers[1 - first].entry == &entries[1]);
    finish();
    RULE("threads that have ended do not count", queue.CurrentCount == 0);
    RULE("and belong to no queue", queue.ThreadListHead.Flink == &queue.ThreadListHead);
    begin(TRUE);
    waiting(2);
    KeInsertQueue(&queue, &entries[0]);
    KeInsertQueue(&queue, &entries[1]);
    RULE("a thread that waits for something else lets another have an entry",
         took(-100000000LL) == STATUS_SUCCESS);
    finish();
    begin(FALSE);
    waiting(2);
    RULE("a queue of nothing has no first entry, and waits for it end",
         KeRundownQueue(&queue) == NULL && took(-100000000LL) == STATUS_SUCCESS &&
             workers[0].entry == STATUS_ENTRY(STATUS_ABANDONED) &&
             workers[1].entry == STATUS_ENTRY(STATUS_ABANDONED));
    finish();
}

VOID check_queue(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    order();
    concurrency();
}
