/* A driver for pcscd of a card reader with a PIN pad (PC/SC part 10): another driver's reader (SIGNET_READER_DRIVER), with keys.
 * Who presses them listens at the Unix socket SIGNET_PIN_PAD: each time that a PIN is wanted it is told "verify 30" or "modify 30",
 * with the seconds that the reader waits, and answers a line: "471108" for each PIN that is typed (modify: the old one, the new one,
 * and the new one again), or "cancel". What was typed goes to the card and nowhere else. */
#include <PCSC/ifdhandler.h>
#include <PCSC/reader.h>
#include <dlfcn.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { VERIFY = SCARD_CTL_CODE(3401), MODIFY = SCARD_CTL_CODE(3402), PROPERTIES = SCARD_CTL_CODE(3403) };
enum { HEADER = 5, MOST_APDU = HEADER + 255, LONGEST_PIN = 16, LINE = 64, WAITS_S = 30, LUNS = 16 };
/* What a reader with keys answers in place of a card (PC/SC part 10, 2.5.1). */
enum { TIMED_OUT = 0x6400, CANCELLED = 0x6401, NOT_THE_SAME = 0x6402, WRONG_LENGTH = 0x6403 };

static void* driver(const char* function) {
  static void* library;
  const char* path = getenv("SIGNET_READER_DRIVER");
  if (library == NULL && path != NULL) library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void* found = library == NULL ? NULL : dlsym(library, function);
  if (found == NULL) {
    fprintf(stderr, "pin_pad_driver: SIGNET_READER_DRIVER has no %s\n", function);
    abort();
  }
  return found;
}
#define UNDERNEATH(function) ((__typeof__(&function))driver(#function))

static DWORD protocols[LUNS];

RESPONSECODE IFDHCreateChannelByName(DWORD lun, LPSTR name) { return UNDERNEATH(IFDHCreateChannelByName)(lun, name); }
RESPONSECODE IFDHCreateChannel(DWORD lun, DWORD channel) { return UNDERNEATH(IFDHCreateChannel)(lun, channel); }
RESPONSECODE IFDHCloseChannel(DWORD lun) { return UNDERNEATH(IFDHCloseChannel)(lun); }
RESPONSECODE IFDHGetCapabilities(DWORD lun, DWORD tag, PDWORD length, PUCHAR value) {
  return UNDERNEATH(IFDHGetCapabilities)(lun, tag, length, value);
}
RESPONSECODE IFDHSetCapabilities(DWORD lun, DWORD tag, DWORD length, PUCHAR value) {
  return UNDERNEATH(IFDHSetCapabilities)(lun, tag, length, value);
}
RESPONSECODE IFDHSetProtocolParameters(DWORD lun, DWORD protocol, UCHAR flags, UCHAR pts1, UCHAR pts2, UCHAR pts3) {
  return UNDERNEATH(IFDHSetProtocolParameters)(lun, protocol, flags, pts1, pts2, pts3);
}
RESPONSECODE IFDHPowerICC(DWORD lun, DWORD action, PUCHAR atr, PDWORD length) {
  return UNDERNEATH(IFDHPowerICC)(lun, action, atr, length);
}
RESPONSECODE IFDHICCPresence(DWORD lun) { return UNDERNEATH(IFDHICCPresence)(lun); }

RESPONSECODE IFDHTransmitToICC(DWORD lun, SCARD_IO_HEADER send, PUCHAR command, DWORD size, PUCHAR answer, PDWORD length,
                               PSCARD_IO_HEADER receive) {
  protocols[lun % LUNS] = send.Protocol; /* the keys speak to the card as the program before did */
  return UNDERNEATH(IFDHTransmitToICC)(lun, send, command, size, answer, length, receive);
}

static RESPONSECODE give(const void* from, DWORD size, PUCHAR out, DWORD room, LPDWORD length) {
  if (size > room) return IFD_ERROR_INSUFFICIENT_BUFFER;
  memcpy(out, from, size);
  *length = size;
  return IFD_SUCCESS;
}

static RESPONSECODE give_status(uint16_t status, PUCHAR out, DWORD room, LPDWORD length) {
  const uint8_t words[2] = {(uint8_t)(status >> 8), (uint8_t)status};
  return give(words, sizeof words, out, room, length);
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Whoever is at the keys, or -1 when nobody comes before `until`. */
static int keys(int64_t until) {
  struct sockaddr_un place = {.sun_family = AF_UNIX};
  const char* path = getenv("SIGNET_PIN_PAD");
  if (path == NULL || strlen(path) >= sizeof place.sun_path) return -1;
  strcpy(place.sun_path, path);
  for (; now_ms() < until; usleep(20000)) {
    const int keys = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (keys < 0) return -1;
    if (connect(keys, (const struct sockaddr*)&place, sizeof place) == 0) return keys;
    close(keys);
  }
  return -1;
}

/* The keys pressed until OK: 0, or what the reader answers. An empty PIN is no PIN: OK has no effect. */
static uint16_t typed(int keys, int64_t until, char pin[LINE]) {
  size_t size = 0;
  while (true) {
    struct pollfd ready = {.fd = keys, .events = POLLIN};
    const int64_t left = until - now_ms();
    char key;
    if (left <= 0 || poll(&ready, 1, (int)left) <= 0 || size == LINE - 1) return TIMED_OUT;
    const ssize_t count = read(keys, &key, 1);
    if (count <= 0) { /* gone from the reader: nobody presses anything any more */
      while (now_ms() < until) usleep(20000);
      return TIMED_OUT;
    }
    if (key != '\n') {
      pin[size++] = key;
    } else if (size > 0) {
      pin[size] = '\0';
      return strcmp(pin, "cancel") == 0 ? CANCELLED : 0;
    }
  }
}

/* What both structures say of the PIN. Of all formats that part 10 knows, the one that OpenSC asks for: ASCII, from the start. */
struct format {
  unsigned least, most, block;
};
static bool understood(uint8_t format_string, uint8_t block_string, uint8_t length_format, uint16_t extra, struct format* out) {
  *out = (struct format){.least = extra >> 8, .most = extra & 0xff, .block = block_string & 0x0f};
  return (format_string & 0x7f) == 2 && (block_string & 0xf0) == 0 && length_format == 0 && out->most <= LONGEST_PIN;
}

static uint16_t put(const struct format* format, const char* pin, uint8_t* apdu, size_t size, size_t at) {
  const size_t digits = strlen(pin);
  if (digits < format->least || digits > format->most) return WRONG_LENGTH;
  if (at + digits > size || (format->block != 0 && digits > format->block)) return WRONG_LENGTH;
  memcpy(apdu + at, pin, digits);
  return 0;
}

static RESPONSECODE present(DWORD lun, uint8_t* apdu, DWORD size, PUCHAR out, DWORD room, LPDWORD length) {
  SCARD_IO_HEADER send = {.Protocol = protocols[lun % LUNS]}, receive = {0};
  *length = room;
  return UNDERNEATH(IFDHTransmitToICC)(lun, send, apdu, size, out, length, &receive);
}

static RESPONSECODE enter(DWORD lun, const char* what, uint8_t wait_s, unsigned pins, const struct format* format, const size_t at[3],
                          uint8_t* apdu, DWORD size, PUCHAR out, DWORD room, LPDWORD length) {
  const int waits = wait_s == 0 ? WAITS_S : wait_s;
  const int64_t until = now_ms() + waits * 1000LL;
  const int person = keys(until);
  char pin[3][LINE] = {{0}};
  uint16_t refused = person < 0 || dprintf(person, "%s %d\n", what, waits) < 0 ? TIMED_OUT : 0;
  for (unsigned i = 0; i < pins && refused == 0; ++i) refused = typed(person, until, pin[i]);
  if (refused == 0 && pins == 3 && strcmp(pin[1], pin[2]) != 0) refused = NOT_THE_SAME;
  for (unsigned i = 0; i < pins && refused == 0; ++i) refused = put(format, pin[i], apdu, size, at[i]);
  if (person >= 0) close(person);
  const RESPONSECODE done = refused != 0 ? give_status(refused, out, room, length) : present(lun, apdu, size, out, room, length);
  explicit_bzero(pin, sizeof pin);
  explicit_bzero(apdu, size);
  return done;
}

/* The command that follows a structure of `head` octets, and that the PINs are put into. */
static bool command_after(const uint8_t* in, DWORD size, size_t head, uint32_t length, uint8_t apdu[MOST_APDU]) {
  if (length < HEADER || length > MOST_APDU || length != size - head) return false;
  memcpy(apdu, in + head, length);
  return true;
}

static RESPONSECODE verify(DWORD lun, const uint8_t* in, DWORD size, PUCHAR out, DWORD room, LPDWORD length) {
  PIN_VERIFY_STRUCTURE wanted;
  uint8_t apdu[MOST_APDU];
  struct format format;
  if (size < sizeof wanted) return IFD_COMMUNICATION_ERROR;
  memcpy(&wanted, in, sizeof wanted);
  if (!command_after(in, size, sizeof wanted, wanted.ulDataLength, apdu)) return IFD_COMMUNICATION_ERROR;
  if (!understood(wanted.bmFormatString, wanted.bmPINBlockString, wanted.bmPINLengthFormat, wanted.wPINMaxExtraDigit, &format))
    return IFD_NOT_SUPPORTED;
  const size_t at[3] = {HEADER, 0, 0};
  return enter(lun, "verify", wanted.bTimerOut, 1, &format, at, apdu, wanted.ulDataLength, out, room, length);
}

static RESPONSECODE modify(DWORD lun, const uint8_t* in, DWORD size, PUCHAR out, DWORD room, LPDWORD length) {
  PIN_MODIFY_STRUCTURE wanted;
  uint8_t apdu[MOST_APDU];
  struct format format;
  if (size < sizeof wanted) return IFD_COMMUNICATION_ERROR;
  memcpy(&wanted, in, sizeof wanted);
  if (!command_after(in, size, sizeof wanted, wanted.ulDataLength, apdu)) return IFD_COMMUNICATION_ERROR;
  if (!understood(wanted.bmFormatString, wanted.bmPINBlockString, wanted.bmPINLengthFormat, wanted.wPINMaxExtraDigit, &format) ||
      wanted.bConfirmPIN != 3 /* the old one is asked for, the new one twice */)
    return IFD_NOT_SUPPORTED;
  const size_t fresh = HEADER + wanted.bInsertionOffsetNew, at[3] = {HEADER + (size_t)wanted.bInsertionOffsetOld, fresh, fresh};
  return enter(lun, "modify", wanted.bTimerOut, 3, &format, at, apdu, wanted.ulDataLength, out, room, length);
}

RESPONSECODE IFDHControl(DWORD lun, DWORD code, PUCHAR in, DWORD size, PUCHAR out, DWORD room, LPDWORD length) {
  *length = 0;
  if (code == CM_IOCTL_GET_FEATURE_REQUEST) {
    uint8_t features[3 * 6], *next = features;
    const struct {
      uint8_t tag;
      uint32_t code;
    } rows[] = {{FEATURE_VERIFY_PIN_DIRECT, VERIFY}, {FEATURE_MODIFY_PIN_DIRECT, MODIFY}, {FEATURE_IFD_PIN_PROPERTIES, PROPERTIES}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
      *next++ = rows[i].tag;
      *next++ = 4;
      for (int shift = 24; shift >= 0; shift -= 8) *next++ = (uint8_t)(rows[i].code >> shift);
    }
    return give(features, sizeof features, out, room, length);
  }
  if (code == PROPERTIES) {
    const PIN_PROPERTIES_STRUCTURE properties = {.bEntryValidationCondition = 2 /* the OK key */};
    return give(&properties, sizeof properties, out, room, length);
  }
  if (code == VERIFY) return verify(lun, in, size, out, room, length);
  if (code == MODIFY) return modify(lun, in, size, out, room, length);
  return IFD_NOT_SUPPORTED;
}
