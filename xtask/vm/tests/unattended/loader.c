/*
 * Stands in for the boot loader of a Windows medium, and for Windows Setup after it: a UEFI
 * application without a library. Like them it asks for a key before it goes on, reads the medium,
 * and finds the answer file in the root of a removable disk; unlike them it says so, and is done.
 *
 * Source: the UEFI specification, "EFI System Table", "Protocols - Console Support", "Protocols -
 * Media Access". Only what is used has a name; the rest keeps its place.
 */
typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;
typedef u64 status;

struct guid {
    u32 a;
    u16 b, c;
    u8 d[8];
};

struct input {
    status (*reset)(struct input *, u8);
    status (*read_key)(struct input *, u16 key[2]);
};

struct output {
    void *reset;
    status (*string)(struct output *, const u16 *);
};

struct media {
    u32 id;
    u8 flags[8];
    u32 block_size, alignment;
    u64 last_block;
};

struct block_io {
    u64 revision;
    struct media *media;
    void *reset;
    status (*read)(struct block_io *, u32 media, u64 block, u64 length, void *);
};

struct file {
    u64 revision;
    status (*open)(struct file *, struct file **, const u16 *, u64 mode, u64 attributes);
    status (*close)(struct file *);
    void *delete;
    status (*read)(struct file *, u64 *length, void *);
    status (*write)(struct file *, u64 *length, const void *);
};

struct file_system {
    u64 revision;
    status (*open_volume)(struct file_system *, struct file **);
};

struct loaded_image {
    u32 revision;
    void *parent;
    void *system;
    void *device;
};

struct boot_services {
    u8 header[24];
    void *before_handle_protocol[16];
    status (*handle_protocol)(void *handle, const struct guid *, void **);
    void *before_stall[11];
    status (*stall)(u64 microseconds);
    void *set_watchdog;
    status (*connect)(void *handle, void *drivers, void *path, u8 recursive);
    void *before_locate[5];
    status (*locate_handle_buffer)(u32 by, const struct guid *, void *, u64 *count, void ***);
};

struct runtime_services {
    u8 header[24];
    void *before_reset[10];
    void (*reset)(u32 kind, status, u64, void *);
};

struct system_table {
    u8 header[24];
    u16 *vendor;
    u32 revision;
    void *input_handle;
    struct input *input;
    void *output_handle;
    struct output *output;
    void *error_handle;
    struct output *error;
    struct runtime_services *runtime;
    struct boot_services *boot;
};

static const struct guid BLOCK_IO = {0x964e5b21, 0x6459, 0x11d2, {0x8e, 0x39, 0, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
static const struct guid FILE_SYSTEM = {0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
static const struct guid LOADED_IMAGE = {0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};

enum { ALL_HANDLES = 0, BY_PROTOCOL = 2, READ = 1, WRITE = 2, DIRECTORY = 0x10, SHUTDOWN = 2 };
#define CREATE 0x8000000000000000ull

static struct system_table *table;
static u8 buffer[65536];

static void say(const u16 *text)
{
    table->output->string(table->output, text);
}

/* Waits for a key, for ten minutes at most. */
static int key_comes(void)
{
    u16 key[2];

    for (int i = 0; i < 6000; i++) {
        if (table->input->read_key(table->input, key) == 0)
            return 1;
        table->boot->stall(100000);
    }
    return 0;
}

/* Reads more of the medium than anything that asks for a key has. */
static void load(void *image)
{
    struct loaded_image *loaded;
    struct block_io *blocks;
    u64 read = 0;

    if (table->boot->handle_protocol(image, &LOADED_IMAGE, (void **)&loaded) != 0 ||
        table->boot->handle_protocol(loaded->device, &BLOCK_IO, (void **)&blocks) != 0)
        return;
    while (read < 9 << 20) {
        if (blocks->read(blocks, blocks->media->id, 0, sizeof(buffer), buffer) != 0)
            return;
        read += sizeof(buffer);
    }
    say(L"@eduwdm log the medium is read\r\n");
}

/* Has every driver look at every device: firmware has done so for the one that it starts alone. */
static void connect(void)
{
    void **handles;
    u64 count;

    if (table->boot->locate_handle_buffer(ALL_HANDLES, 0, 0, &count, &handles) != 0)
        return;
    for (u64 i = 0; i < count; i++)
        table->boot->connect(handles[i], 0, 0, 1);
}

/* Whether a volume has the answer file; if so, leaves the exit code there. */
static int answers(struct file *root)
{
    struct file *file;
    u64 length = sizeof(buffer);

    if (root->open(root, &file, L"Autounattend.xml", READ, 0) != 0)
        return 0;
    if (file->read(file, &length, buffer) != 0 || length < 1000 || buffer[0] != '<')
        return 0;
    file->close(file);
    if (root->open(root, &file, L"results", READ | WRITE | CREATE, DIRECTORY) != 0)
        return 0;
    file->close(file);
    if (root->open(root, &file, L"results\\exit-code.txt", READ | WRITE | CREATE, 0) != 0)
        return 0;
    length = 1;
    if (file->write(file, &length, "0") != 0)
        return 0;
    file->close(file);
    return 1;
}

status efi_main(void *image, struct system_table *system)
{
    void **handles;
    u64 count;

    table = system;
    say(L"\r\n@eduwdm log a key is waited for\r\n");
    if (!key_comes()) {
        say(L"@eduwdm log no key came\r\n@eduwdm done 1\r\n");
        table->runtime->reset(SHUTDOWN, 0, 0, 0);
    }
    say(L"@eduwdm log a key came\r\n");
    load(image);
    connect();
    if (table->boot->locate_handle_buffer(BY_PROTOCOL, &FILE_SYSTEM, 0, &count, &handles) != 0)
        count = 0;
    for (u64 i = 0; i < count; i++) {
        struct file_system *volume;
        struct file *root;

        if (table->boot->handle_protocol(handles[i], &FILE_SYSTEM, (void **)&volume) == 0 &&
            volume->open_volume(volume, &root) == 0 && answers(root))
            say(L"@eduwdm log the answer file is found\r\n@eduwdm done 0\r\n");
    }
    table->runtime->reset(SHUTDOWN, 0, 0, 0);
    return 0;
}
