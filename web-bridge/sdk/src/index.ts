// Start here: connect() finds the agent; Agent.signBatch() signs; explain() puts an error into the person's words.
export { connect, onPermissionChange, Agent } from "./agent.js";
export type { Certificate, ConnectOptions } from "./agent.js";
export { Batch, storedBatch } from "./batch.js";
export type { BatchCallbacks, BatchSummary, ItemResult, Progress, SignOptions, StorageLike, StoredBatch, Waiting } from "./batch.js";
export { digestFile, toBase64 } from "./digest.js";
export { PROTOCOL_CODES, SDK_CODES, SignetError } from "./errors.js";
export type { ErrorCode } from "./errors.js";
export { explain } from "./explain.js";
export type { Explanation } from "./explain.js";
export type { Item } from "./parts.js";
export { DEFAULT_PORTS, SDK_VERSION } from "./protocol.js";
export type { BatchState, DigestAlgorithm, Language, Level, Packaging, Validity, WhoActs } from "./protocol.js";
export type { SocketConstructor, SocketLike, Timing } from "./socket.js";
