import type { WhoActs, WireError } from "./protocol.js";

/** Codes that only the sdk gives: the agent was not reached, or was lost. */
export const SDK_CODES = {
  not_running: "machine",
  no_answer: "machine",
  blocked_by_browser: "person",
  blocked_by_csp: "caller",
  connection_lost: "machine",
  file_unreadable: "person",
} as const satisfies Record<string, WhoActs>;

/** The protocol's codes, with who must act (docs/PROTOCOL.md, "Errors"). */
export const PROTOCOL_CODES = {
  user_cancelled: "person",
  pin_incorrect: "person",
  pin_locked: "person",
  pin_length: "person",
  pin_unfit: "person",
  pin_unknown: "person",
  puk_incorrect: "person",
  puk_locked: "person",
  unblock_unknown: "person",
  no_token: "person",
  token_removed: "person",
  certificate_not_found: "person",
  certificate_unfit: "person",
  certificate_expired: "person",
  card_busy: "person",
  screen_locked: "person",
  machine_asleep: "person",
  origin_refused: "caller",
  host_refused: "caller",
  hello_required: "caller",
  version_unsupported: "caller",
  message_invalid: "caller",
  message_too_large: "caller",
  method_unknown: "caller",
  parameter_invalid: "caller",
  algorithm_unknown: "caller",
  digest_length: "caller",
  id_duplicate: "caller",
  batch_empty: "caller",
  batch_too_large: "caller",
  part_out_of_order: "caller",
  batch_unknown: "caller",
  batch_state: "caller",
  too_many: "caller",
  other_user: "machine",
  no_dialog_possible: "machine",
  module_missing: "machine",
  module_failed: "machine",
  token_host_died: "machine",
  token_host_timeout: "machine",
  token_failed: "machine",
  mechanism_unsupported: "machine",
  time_stamp_failed: "machine",
  network_failed: "machine",
  disk_full: "machine",
  file_failed: "machine",
  memory_not_lockable: "machine",
  configuration_invalid: "machine",
  agent_not_running: "machine",
  internal: "us",
} as const satisfies Record<string, WhoActs>;

export type SdkCode = keyof typeof SDK_CODES;
export type ProtocolCode = keyof typeof PROTOCOL_CODES;
export type ErrorCode = SdkCode | ProtocolCode;

const WHO: Record<string, WhoActs> = { ...SDK_CODES, ...PROTOCOL_CODES };

/** Every way in which signing can fail. `message` is English, for developers; people read explain(error, language). */
export class SignetError extends Error {
  override readonly name = "SignetError";
  readonly code: ErrorCode;
  /** Who can do something about it. */
  readonly who: WhoActs;
  /** How many more PINs the token takes, where it told so. */
  readonly triesLeft: number | undefined;
  /** One more wrong PIN locks the token. */
  readonly finalTry: boolean;

  constructor(code: ErrorCode, message: string, more: { who?: WhoActs | undefined; triesLeft?: number | undefined; finalTry?: boolean | undefined; cause?: unknown } = {}) {
    super(message);
    this.code = code;
    this.who = more.who ?? WHO[code] ?? "us";
    this.triesLeft = more.triesLeft;
    this.finalTry = more.finalTry ?? false;
    if (more.cause !== undefined) (this as { cause?: unknown }).cause = more.cause;
  }
}

/** A code that a newer agent invented is kept: explain() falls back to who must act. */
export function fromWire(error: WireError): SignetError {
  return new SignetError(error.code as ErrorCode, error.message ?? error.code,
    { who: error.who, triesLeft: error.tries_left, finalTry: error.final_try });
}
