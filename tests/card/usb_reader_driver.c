/* A driver for pcscd of a reader that never has a card, and that says which USB device it is as libccid does. Its DEVICENAME is
 * bus and address, such as 3:17, or pcscd's name for a device that udev told of. */
#include <PCSC/ifdhandler.h>
#include <PCSC/reader.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static unsigned bus, address;

RESPONSECODE IFDHCreateChannelByName(DWORD lun, LPSTR name) {
  (void)lun;
  const char* node = strstr(name, "/dev/bus/usb/"); /* as pcscd calls what it found by udev */
  if (node != NULL && sscanf(node, "/dev/bus/usb/%u/%u", &bus, &address) == 2) return IFD_SUCCESS;
  if (sscanf(name, "%u:%u", &bus, &address) != 2) bus = address = 0;
  return IFD_SUCCESS;
}

RESPONSECODE IFDHCreateChannel(DWORD lun, DWORD channel) {
  (void)lun, (void)channel;
  return IFD_SUCCESS;
}

RESPONSECODE IFDHCloseChannel(DWORD lun) {
  (void)lun;
  return IFD_SUCCESS;
}

RESPONSECODE IFDHGetCapabilities(DWORD lun, DWORD tag, PDWORD length, PUCHAR value) {
  (void)lun;
  if (tag == TAG_IFD_SLOTS_NUMBER && *length >= 1) {
    *length = 1;
    *value = 1;
    return IFD_SUCCESS;
  }
  if (tag == SCARD_ATTR_CHANNEL_ID && bus != 0 && *length >= sizeof(uint32_t)) {
    const uint32_t channel = 0x00200000u | bus << 8 | address;
    *length = sizeof channel;
    memcpy(value, &channel, sizeof channel);
    return IFD_SUCCESS;
  }
  return IFD_ERROR_TAG;
}

RESPONSECODE IFDHSetCapabilities(DWORD lun, DWORD tag, DWORD length, PUCHAR value) {
  (void)lun, (void)tag, (void)length, (void)value;
  return IFD_ERROR_TAG;
}

RESPONSECODE IFDHSetProtocolParameters(DWORD lun, DWORD protocol, UCHAR flags, UCHAR pts1, UCHAR pts2, UCHAR pts3) {
  (void)lun, (void)protocol, (void)flags, (void)pts1, (void)pts2, (void)pts3;
  return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHPowerICC(DWORD lun, DWORD action, PUCHAR atr, PDWORD length) {
  (void)lun, (void)action, (void)atr;
  *length = 0;
  return IFD_COMMUNICATION_ERROR;
}

RESPONSECODE IFDHTransmitToICC(DWORD lun, SCARD_IO_HEADER send, PUCHAR command, DWORD size, PUCHAR answer, PDWORD length, PSCARD_IO_HEADER receive) {
  (void)lun, (void)send, (void)command, (void)size, (void)answer, (void)receive;
  *length = 0;
  return IFD_COMMUNICATION_ERROR;
}

RESPONSECODE IFDHControl(DWORD lun, DWORD code, PUCHAR in, DWORD size, PUCHAR out, DWORD room, LPDWORD length) {
  (void)lun, (void)code, (void)in, (void)size, (void)out, (void)room;
  *length = 0;
  return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHICCPresence(DWORD lun) {
  (void)lun;
  return IFD_ICC_NOT_PRESENT;
}
