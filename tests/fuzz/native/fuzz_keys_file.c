/* Anything as the file of keys: it is refused with a line and a reason, or all of its keys are there. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "keys_file.h"

static int folder = -1, file;

static void begin_once(void)
{
    const char *what;
    char path[] = "/tmp/careof-fuzz-keys-XXXXXX";
    if (folder >= 0)
        return;
    PROMISE(crypto_begin(&what) && mkdtemp(path));
    folder = open(path, O_RDONLY | O_DIRECTORY);
    file = openat(folder, "keys", O_RDWR | O_CREAT, 0600);
    PROMISE(folder >= 0 && file >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keys keys;
    char text[KEYS_ERROR_SIZE] = "";
    int error = 0;
    begin_once();
    PROMISE(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    keys_begin(&keys, 7);
    bool fine = keys_file_read(folder, "keys", "keys", &keys, &error, text);
    PROMISE(fine == (error == 0) && fine == (text[0] == 0));
    PROMISE(fine || (strncmp(text, "keys:", 5) == 0 && strlen(text) > 7));
    uint32_t held = 0;
    for (uint32_t slot = 0; slot < keys.names.slot_count; slot++) {
        const struct key *key = (const struct key *)keys.names.slots[slot];
        if (!key)
            continue;
        held++;
        PROMISE(key->secret_size >= SECRET_SIZE_MIN && key->secret_size <= SECRET_SIZE_MAX && key->hash < CRYPTO_HASHES);
        PROMISE(keys_get(&keys, key->named.name, key->named.name_size) == key);
    }
    PROMISE(held == keys.names.count && held <= size / (2 * SECRET_SIZE_MIN));
    keys_end(&keys);
    return 0;
}
