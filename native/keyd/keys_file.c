#include "keys_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reading {
    const char *path;
    struct keys *keys;
    unsigned line;
    int *error;
    char *text;
    uint8_t secret[SECRET_SIZE_MAX];
};

struct word {
    const char *at;
    size_t size;
};

__attribute__((format(printf, 3, 4))) static bool wrong(struct reading *reading, int error, const char *format, ...)
{
    va_list arguments;
    int size = reading->line ? snprintf(reading->text, KEYS_ERROR_SIZE, "%s:%u: ", reading->path, reading->line)
                             : snprintf(reading->text, KEYS_ERROR_SIZE, "%s: ", reading->path);
    if (size < 0 || size >= KEYS_ERROR_SIZE)
        size = 0;
    va_start(arguments, format);
    vsnprintf(reading->text + size, KEYS_ERROR_SIZE - (size_t)size, format, arguments);
    va_end(arguments);
    *reading->error = error;
    return false;
}

static bool is_blank(char character)
{
    return character == ' ' || character == '\t' || character == '\r';
}

static struct word next_word(const char **at, const char *end)
{
    while (*at < end && is_blank(**at))
        ++*at;
    if (*at < end && **at == '#')
        *at = end;
    struct word word = {.at = *at};
    while (*at < end && !is_blank(**at))
        ++*at;
    word.size = (size_t)(*at - word.at);
    return word;
}

static bool is_name(struct word word)
{
    for (size_t i = 0; i < word.size; i++)
        if (word.at[i] <= ' ' || word.at[i] >= 0x7f)
            return false;
    return word.size >= 1 && word.size <= NAME_SIZE_MAX;
}

static int digit_of(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    character = (char)tolower((unsigned char)character);
    return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

static bool secret_of(struct word word, uint8_t secret[SECRET_SIZE_MAX])
{
    if (word.size % 2 || word.size < 2 * SECRET_SIZE_MIN || word.size > 2 * SECRET_SIZE_MAX)
        return false;
    for (size_t i = 0; i < word.size; i += 2) {
        int high = digit_of(word.at[i]), low = digit_of(word.at[i + 1]);
        if (high < 0 || low < 0)
            return false;
        secret[i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool take_line(struct reading *reading, const char *at, const char *end)
{
    struct word name = next_word(&at, end), algorithm = next_word(&at, end), secret = next_word(&at, end);
    enum crypto_hash hash;
    if (!name.size)
        return true;
    if (!is_name(name))
        return wrong(reading, EINVAL, "a name of %zu characters: expected 1 to %d printable ones", name.size,
                     NAME_SIZE_MAX);
    if (!algorithm.size || !secret.size || next_word(&at, end).size)
        return wrong(reading, EINVAL, "'%.*s': expected a name, an algorithm and a key", (int)name.size, name.at);
    if (!keys_algorithm_named(algorithm.at, algorithm.size, &hash))
        return wrong(reading, EINVAL, "'%.*s': algorithm of %zu characters: expected one of %s", (int)name.size, name.at,
                     algorithm.size, keys_algorithm_names);
    if (!secret_of(secret, reading->secret))
        return wrong(reading, EINVAL, "'%.*s': key of %zu characters: expected %d to %d hexadecimal digits, an even number",
                     (int)name.size, name.at, secret.size, 2 * SECRET_SIZE_MIN, 2 * SECRET_SIZE_MAX);
    if (keys_get(reading->keys, name.at, name.size))
        return wrong(reading, EEXIST, "'%.*s': there is one already", (int)name.size, name.at);
    if (!keys_put(reading->keys, name.at, name.size, hash, reading->secret, secret.size / 2))
        return wrong(reading, errno, "more than %d keys, or no memory", KEYS_MAX);
    return true;
}

/* Takes the whole lines of the buffer; what is left of it moves to its begin. */
static bool take_lines(struct reading *reading, char *buffer, size_t *size, bool last)
{
    char *at = buffer, *end = buffer + *size;
    while (at < end) {
        char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end && !last)
            break;
        if (!line_end)
            line_end = end;
        reading->line++;
        if (line_end - at > KEYS_LINE_SIZE_MAX)
            return wrong(reading, EINVAL, "longer than %d octets", KEYS_LINE_SIZE_MAX);
        if (!take_line(reading, at, line_end))
            return false;
        at = line_end < end ? line_end + 1 : end;
    }
    *size = (size_t)(end - at);
    if (*size > KEYS_LINE_SIZE_MAX) {
        reading->line++;
        return wrong(reading, EINVAL, "longer than %d octets", KEYS_LINE_SIZE_MAX);
    }
    memmove(buffer, at, *size);
    return true;
}

static bool take_file(struct reading *reading, int fd, char *buffer, size_t room)
{
    size_t held = 0;
    for (;;) {
        ssize_t size = read(fd, buffer + held, room - held);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0) {
            reading->line = 0;
            return wrong(reading, errno, "cannot be read: %s", strerror(errno));
        }
        held += (size_t)size;
        if (!take_lines(reading, buffer, &held, size == 0))
            return false;
        if (size == 0)
            return true;
    }
}

static bool may_be_read(struct reading *reading, int fd)
{
    struct stat status;
    if (fd < 0 || fstat(fd, &status))
        return wrong(reading, errno, "cannot be opened: %s", strerror(errno));
    if (!S_ISREG(status.st_mode))
        return wrong(reading, EINVAL, "not a file");
    if (status.st_mode & 077)
        return wrong(reading, EPERM, "mode %03o: expected no rights for others than its owner",
                     (unsigned)status.st_mode & 0777);
    if (status.st_size > KEYS_FILE_SIZE_MAX)
        return wrong(reading, EFBIG, "larger than %d octets", KEYS_FILE_SIZE_MAX);
    return true;
}

bool keys_file_read(int folder, const char *name, const char *path, struct keys *keys, int *error,
                    char text[KEYS_ERROR_SIZE])
{
    enum { ROOM = 65536 };
    struct reading reading = {.path = path, .keys = keys, .error = error, .text = text};
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool fine = may_be_read(&reading, fd);
    if (fine) {
        char *buffer = malloc(ROOM);
        fine = buffer ? take_file(&reading, fd, buffer, ROOM) : wrong(&reading, ENOMEM, "no memory");
        if (buffer)
            crypto_wipe(buffer, ROOM);
        free(buffer);
    }
    if (fd >= 0)
        close(fd);
    crypto_wipe(reading.secret, sizeof reading.secret);
    return fine;
}
