export declare const CERTIFICATE: Record<string, string | number>;
export declare function signatureOf(item: { id: string; digest: string }): string;
export declare class FakeAgent {
  constructor(script?: object);
  // A test script: see fake_agent.mjs for what it may hold.
  script: any;
  limits: Record<string, number>;
  log: { method: string; params: any; connection: number }[];
  batches: Map<string, { state: string; acknowledged: number; items: { id: string; digest: string; name: string }[]; results: { seq: number }[]; next: number }>;
  connections: number;
  largest_message: number;
  most_unacknowledged: number;
  waiting_person: unknown[];
  port: number;
  listen(port?: number, host?: string): Promise<this>;
  close(): Promise<void>;
  drop(): void;
  tokensChanged(present: boolean): void;
  answerPerson(answer?: true | string): void;
  requests(method: string): { method: string; params: any; connection: number }[];
}
