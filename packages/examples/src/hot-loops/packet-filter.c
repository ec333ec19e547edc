// The same in C. To compile it to WebAssembly:
// clang --target=wasm32 -O2 -ffreestanding -nostdlib -matomics -mbulk-memory -Wall -Werror -Wframe-larger-than=0
//   -Wl,--no-entry,--import-memory,--shared-memory,--max-memory=4294967296,-z,stack-size=0
//   -o packet-filter.wasm packet-filter.c
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))

enum { DONE = 1, BLOCK_BYTES = 2048, ETHERNET_BYTES = 14, IPV4 = 0x0800, IPV4_BYTES = 20, TCP = 6, UDP = 17 };
enum { PASSED = 1, NOT_IPV4, BAD_LENGTH, BAD_CHECKSUM, REFUSED };

struct descriptor {
  uint64_t iova;
  uint32_t length;
  uint8_t status, verdict, reserved[2];
};

static uint32_t big_endian(const uint8_t* at) { return at[0] << 8 | at[1]; }

EXPORT("checksum") uint32_t checksum(const uint8_t* at, uint32_t bytes) {
  uint32_t sum = 0;
  const uint8_t* end = at + (bytes & ~1u);
  for (; at < end; at += 2) sum += big_endian(at);
  if (bytes & 1) sum += end[0] << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum ^ 0xffff;
}

static int is_wanted(const uint8_t* header, uint32_t header_bytes, uint32_t total, const uint8_t* ports) {
  uint8_t protocol = header[9];
  if ((protocol != TCP && protocol != UDP) || total < header_bytes + 4) return 0;
  int is_later_fragment = (big_endian(header + 6) & 0x1fff) != 0;
  uint32_t port = big_endian(header + header_bytes + 2);
  return !is_later_fragment && (ports[port >> 3] >> (port & 7) & 1);
}

EXPORT("verdictOn") uint32_t verdict_on(const uint8_t* frame, uint32_t bytes, const uint8_t* ports) {
  if (bytes < ETHERNET_BYTES || bytes > BLOCK_BYTES) return BAD_LENGTH;
  if (big_endian(frame + 12) != IPV4) return NOT_IPV4;
  if (bytes < ETHERNET_BYTES + IPV4_BYTES) return BAD_LENGTH;
  const uint8_t* header = frame + ETHERNET_BYTES;
  uint32_t header_bytes = (header[0] & 15) * 4, total = big_endian(header + 2);
  if (header[0] >> 4 != 4 || header_bytes < IPV4_BYTES) return NOT_IPV4;
  if (header_bytes > total || total > bytes - ETHERNET_BYTES) return BAD_LENGTH;
  if (checksum(header, header_bytes) != 0) return BAD_CHECKSUM;
  return is_wanted(header, header_bytes, total, ports) ? PASSED : REFUSED;
}

EXPORT("filterRing")
uint32_t filter_ring(struct descriptor* ring, uint32_t slots, const uint8_t* blocks, const uint8_t* ports,
                     uint32_t first) {
  uint32_t taken = 0;
  for (; taken < slots; taken++) {
    uint32_t slot = (first + taken) & (slots - 1);
    struct descriptor* descriptor = &ring[slot];
    if ((__atomic_load_n(&descriptor->status, __ATOMIC_ACQUIRE) & DONE) == 0) break;
    descriptor->verdict = verdict_on(blocks + slot * BLOCK_BYTES, descriptor->length, ports);
    descriptor->status = 0;
  }
  return taken;
}
