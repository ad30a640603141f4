/* What differs between machines: octets at odd addresses, which a MIPS or an old ARM does not load as words, and
 * the end of 32-bit time in 2038. Run on each machine that the C processes are built for.
 *
 * With the argument "unaligned" it loads a word from an odd address and says it: the control, which must not live
 * where the machine (or who emulates it) tells of such loads. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checksum.h"
#include "fields.h"
#include "make.h"
#include "minimal.h"
#include "test.h"

enum { ENTRY = 0x0a000201, EXIT = 0x0a336409, OFFSETS = 8, ROOM = 2048 };

static _Alignas(8) uint8_t packet[ROOM], there[ROOM + OFFSETS], back[ROOM + OFFSETS];
static uint8_t payload[1200];

/* Wrapped, checked, parsed and unwrapped at every offset, the octets are the same. */
static void test_packets_at_any_address(void)
{
    test_random_octets(payload, sizeof payload);
    struct make m = MAKE_DEFAULT;
    m.payload = payload;
    m.payload_size = sizeof payload;
    uint32_t size = make_udp(packet, &m);
    uint64_t sum = checksum_sum(packet, size);
    for (size_t offset = 0; offset < OFFSETS; offset++) {
        uint8_t *at = there + offset, *copy = back + (offset * 3) % OFFSETS;
        struct ipv4_view view = {0};
        memcpy(at + MINIMAL_HEADER_SIZE_MAX, packet, size);
        CHECK_EQUAL(ipv4_parse_checked(at + MINIMAL_HEADER_SIZE_MAX, size, &view), IPV4_FINE);
        CHECK_EQUAL(view.size, size);
        CHECK_EQUAL(checksum_fold(checksum_sum(at + MINIMAL_HEADER_SIZE_MAX, size)), checksum_fold(sum));
        CHECK_EQUAL(checksum_fold(checksum_copy(copy, at + MINIMAL_HEADER_SIZE_MAX, size)), checksum_fold(sum));
        CHECK_OCTETS(copy, packet, size);
        minimal_wrap(at, size, ENTRY, EXIT, 0);
        CHECK_EQUAL(ipv4_parse_checked(at, size + MINIMAL_HEADER_SIZE_MAX, &view), IPV4_FINE);
        CHECK_EQUAL(view.source, ENTRY);
        CHECK_EQUAL(view.destination, EXIT);
        size_t inner_size = 0;
        uint8_t *inner = minimal_unwrap(&view, &inner_size);
        CHECK_EQUAL(inner_size, size);
        CHECK(inner && memcmp(inner + IPV4_HEADER_SIZE_MIN, packet + IPV4_HEADER_SIZE_MIN, sizeof payload) == 0);
    }
}

/* A file of the year 2100 is one to libc, to the kernel and back. */
static void test_time_goes_on_after_2038(void)
{
    const int64_t year_2100 = 4102444800;
    CHECK_EQUAL(sizeof(time_t), 8);
    char path[] = "/tmp/careof-test-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    unlink(path);
    struct timespec times[2] = {{.tv_sec = (time_t)year_2100}, {.tv_sec = (time_t)year_2100}};
    struct stat about = {0};
    CHECK(futimens(fd, times) == 0);
    CHECK(fstat(fd, &about) == 0);
    CHECK_EQUAL(about.st_mtime, year_2100);
    close(fd);
    time_t then = (time_t)year_2100;
    struct tm parts = {0};
    CHECK(gmtime_r(&then, &parts) && parts.tm_year == 200 && parts.tm_mon == 0 && parts.tm_mday == 1);
}

#ifdef __has_attribute
#define AS_THE_MACHINE_DOES __attribute__((noinline, no_sanitize("alignment", "undefined")))
#else
#define AS_THE_MACHINE_DOES
#endif

AS_THE_MACHINE_DOES static uint32_t load(const volatile void *at)
{
    return *(const volatile uint32_t *)at;
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "unaligned") == 0) {
        printf("%" PRIu32 "\n", load(packet + 1));
        return 0;
    }
    test_seed();
    TEST(test_packets_at_any_address);
    TEST(test_time_goes_on_after_2038);
    return test_result();
}
