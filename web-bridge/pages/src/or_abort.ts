import type { Agent } from "signet-sdk";

/** A dialog that cannot be called back: when the person gives up here, the connection goes, and the dialog with it. */
export function orAbort<T>(agent: Agent, work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give_up = () => {
      agent.close();
      reject(signal.reason);
    };
    if (signal.aborted) return give_up();
    signal.addEventListener("abort", give_up, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", give_up));
  });
}
