/*
 * The bench's load generator and its stand-in for a board, for Linux: many datagrams a system call, so that neither
 * is slower than what lies between them. load.ts does the same in TypeScript where there is no C compiler.
 *
 *   load respond                                     prints its port, answers until it is ended
 *   load generate HOST PORT WINDOW SECONDS [RATE]    prints one line of JSON
 *
 * Without RATE it keeps WINDOW requests outstanding; with it, it sends RATE a second and at most WINDOW outstanding.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define BYTES 282        /* the largest SCP datagram: WRITE with 256 bytes of data */
#define BATCH 64         /* datagrams a system call */
#define SLOTS 1024       /* most requests outstanding */
#define LOST_NS 500000000 /* unanswered for so long: lost, and sent again as another */
#define WARM_NS 200000000 /* not counted at the beginning: flows open, code gets compiled */

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_socket(void) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return fd;
}

static uint8_t buffers[BATCH][2048];
static struct iovec vectors[BATCH];
static struct sockaddr_in peers[BATCH];
static struct mmsghdr messages[BATCH];

static void prepare_messages(int with_peers) {
  for (int i = 0; i < BATCH; i++) {
    vectors[i] = (struct iovec){buffers[i], sizeof buffers[i]};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    if (with_peers) messages[i].msg_hdr.msg_name = &peers[i], messages[i].msg_hdr.msg_namelen = sizeof peers[i];
  }
}

/* Answers every datagram with one of the same length that is an SCP reply to it: OK, ends swapped, the rest as it was. */
static int respond(void) {
  int fd = open_socket();
  struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof self;
  if (bind(fd, (struct sockaddr *)&self, length) != 0 || getsockname(fd, (struct sockaddr *)&self, &length) != 0) return 1;
  printf("%d\n", ntohs(self.sin_port));
  fflush(stdout);
  for (;;) {
    prepare_messages(1);
    int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    for (int i = 0; i < count; i++) {
      uint8_t *d = buffers[i], t;
      vectors[i].iov_len = messages[i].msg_len;
      if (messages[i].msg_len < 14) continue;
      d[2] = 0x07;
      t = d[4], d[4] = d[5], d[5] = t;
      t = d[6], d[6] = d[8], d[8] = t;
      t = d[7], d[7] = d[9], d[9] = t;
      d[10] = 0x80, d[11] = 0;
    }
    for (int sent = 0; sent < count;) {
      int n = sendmmsg(fd, messages + sent, count - sent, 0);
      sent += n > 0 ? n : 1; /* an ICMP error of an earlier one costs us one datagram, not the process */
    }
  }
}

/* Latencies by their logarithm, 64 steps a doubling: 1.6 % apart, whatever their size. */
static uint64_t histogram[64 * 64];

static int bucket_of(uint64_t ns) {
  if (ns < 64) return (int)ns;
  int e = 63 - __builtin_clzll(ns);
  return (e - 5) * 64 + (int)((ns >> (e - 6)) & 63);
}

static double bucket_us(int bucket) {
  if (bucket < 64) return bucket / 1000.0;
  int e = bucket / 64 + 5;
  return ((64 + bucket % 64 + 0.5) * (double)(1ull << (e - 6))) / 1000.0;
}

static double percentile(uint64_t total, double share) {
  uint64_t seen = 0, wanted = (uint64_t)((double)total * share);
  for (int i = 0; i < 64 * 64; i++)
    if ((seen += histogram[i]) > wanted) return bucket_us(i);
  return 0;
}

static struct { uint64_t sent; uint32_t id; int busy; } slots[SLOTS];

static void write_request(uint8_t *d, uint32_t id) {
  memset(d, 0, BYTES);
  d[2] = 0x87, d[3] = 0xff, d[5] = 0xff;             /* SDP: reply expected, transient tag, from the host */
  d[10] = 3;                                         /* WRITE */
  d[12] = id & 0xff, d[13] = (id >> 8) & 0xff;       /* sequence */
  d[17] = 0x60;                                      /* arg1: start of SDRAM */
  d[19] = 1, d[22] = 2;                              /* arg2: 256 bytes; arg3: words */
  memcpy(d + 26, &id, 4);                            /* told apart even when the sequence comes round again */
}

static int generate(const char *host, int port, int window, double seconds, double rate) {
  int fd = open_socket();
  struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct timeval wait = {0, 100000};
  if (window < 1 || window > SLOTS || inet_pton(AF_INET, host, &target.sin_addr) != 1) return 2;
  if (connect(fd, (struct sockaddr *)&target, sizeof target) != 0) return 1;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);

  uint64_t start = now_ns(), warm = start + WARM_NS, end = warm + (uint64_t)(seconds * 1e9);
  uint64_t answered = 0, lost = 0, late = 0, scheduled = 0, checked = start, now = start;
  uint32_t id = 0;
  int outstanding = 0, scan = 0;
  while (now < end) {
    int wanted = window - outstanding;
    if (rate > 0) {
      uint64_t due = (uint64_t)((double)(now - start) * rate / 1e9) - scheduled;
      if (due < (uint64_t)wanted) wanted = (int)due;
    }
    while (wanted > 0) {
      int count = wanted < BATCH ? wanted : BATCH;
      prepare_messages(0);
      for (int i = 0; i < count; i++) {
        while (slots[scan].busy) scan = (scan + 1) % window;
        /* The slot is the id's remainder, so that a reply finds its slot. */
        id = id + 1 + (uint32_t)((scan + window - (int)((id + 1) % window)) % window);
        slots[scan].sent = now, slots[scan].id = id, slots[scan].busy = 1;
        write_request(buffers[i], id);
        vectors[i].iov_len = BYTES;
      }
      for (int sent = 0; sent < count;) {
        int n = sendmmsg(fd, messages + sent, count - sent, 0);
        sent += n > 0 ? n : 1;
      }
      outstanding += count, scheduled += count, wanted -= count;
    }
    if (rate > 0) { /* sleep until an answer comes or the next request is due */
      uint64_t next = start + (uint64_t)((double)(scheduled + 1) * 1e9 / rate), left = next > now ? next - now : 0;
      struct timespec limit = {0, (long)(left < 100000000 ? left : 100000000)};
      struct pollfd poller = {fd, POLLIN, 0};
      ppoll(&poller, 1, &limit, NULL);
    }
    prepare_messages(0);
    int count = recvmmsg(fd, messages, BATCH, rate > 0 ? MSG_DONTWAIT : MSG_WAITFORONE, NULL);
    now = now_ns();
    for (int i = 0; i < count; i++) {
      uint32_t got;
      memcpy(&got, buffers[i] + 26, 4);
      int slot = (int)(got % (uint32_t)window);
      if (messages[i].msg_len != BYTES || buffers[i][10] != 0x80 || !slots[slot].busy || slots[slot].id != got) {
        late++;
        continue;
      }
      slots[slot].busy = 0, outstanding--;
      if (now < warm) continue;
      answered++;
      histogram[bucket_of(now - slots[slot].sent)]++;
    }
    if (now - checked > LOST_NS / 4) {
      checked = now;
      for (int slot = 0; slot < window; slot++) {
        if (!slots[slot].busy || now - slots[slot].sent < LOST_NS) continue;
        slots[slot].busy = 0, outstanding--, lost++;
      }
    }
  }
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  printf("{\"rate\":%.1f,\"p50Us\":%.2f,\"p99Us\":%.2f,\"answered\":%llu,\"lost\":%llu,\"late\":%llu,\"cpuShare\":%.3f}\n",
         (double)answered * 1e9 / (double)(now - warm), percentile(answered, 0.5), percentile(answered, 0.99),
         (unsigned long long)answered, (unsigned long long)lost, (unsigned long long)late,
         cpu * 1e9 / (double)(now - start));
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "respond") == 0) return respond();
  if (argc >= 6 && strcmp(argv[1], "generate") == 0)
    return generate(argv[2], atoi(argv[3]), atoi(argv[4]), atof(argv[5]), argc > 6 ? atof(argv[6]) : 0);
  fprintf(stderr, "usage: load respond | load generate HOST PORT WINDOW SECONDS [RATE]\n");
  return 2;
}
