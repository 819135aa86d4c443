import { z } from "zod";
import { mountPath } from "../config/stores.ts";
import { StartError } from "../errors.ts";
import { Breaker, type BreakerState } from "../remote/breaker.ts";
import { StoreTrouble, throwDenied, throwUnavailable } from "../remote/failure.ts";
import { Nodes, type VaultAnswer, type VaultRequest, type VaultSettings } from "./nodes.ts";
import { Session } from "./session.ts";

export type VaultClientOptions = Readonly<{
  onBreaker?: (state: BreakerState) => void;
  /** Milliseconds without a login after a refused one. */
  pauseMs?: number;
}>;

/** Calls a Vault or OpenBao cluster as Keyhold. */
export class VaultClient {
  readonly #nodes: Nodes;
  readonly #session: Session;
  readonly #breaker: Breaker;

  /** Throws `StartError` for addresses that may not be used. No request is sent before the first call. */
  constructor(settings: VaultSettings, { onBreaker, pauseMs }: VaultClientOptions = {}) {
    this.#nodes = new Nodes(settings);
    this.#session = new Session(this.#nodes, settings.auth, pauseMs);
    this.#breaker = new Breaker(onBreaker);
  }

  /**
   * The answer to a request: 200 or 204, 400 for what the server does not accept, 404 for what does not
   * exist. Throws `StoreTrouble` for any other answer. The request must be safe to send twice.
   */
  call(request: Omit<VaultRequest, "token">): Promise<VaultAnswer> {
    return this.#breaker.run(async () => {
      const token = await this.#session.token();
      const answer = await this.#nodes.send({ ...request, token });
      if (answer.status !== 403 || !(await this.#session.hasEnded(token))) return settled(answer);
      return settled(await this.#nodes.send({ ...request, token: await this.#session.token() }));
    });
  }

  async close(): Promise<void> {
    this.#session.close();
    await this.#nodes.close();
  }
}

function settled(answer: VaultAnswer): VaultAnswer {
  const { status } = answer;
  if (status === 403) throwDenied("policy");
  if (status === 404 && hasError(answer, /^no handler for route/)) throwDenied("no_mount");
  if (status === 405) throwDenied("wrong_engine");
  if (status === 413) throwDenied("invalid");
  return answer;
}

/** Whether an error text of the server matches. The text is never passed on. */
export function hasError({ body }: VaultAnswer, pattern: RegExp): boolean {
  const errors: unknown = typeof body === "object" && body !== null && "errors" in body ? body.errors : [];
  return Array.isArray(errors) && errors.some((error) => typeof error === "string" && pattern.test(error));
}

/**
 * The body of a successful answer. Throws `StoreTrouble` for any other, and while the engine is being set up.
 */
export function parseAnswer<T>(schema: z.ZodType<T>, answer: VaultAnswer): T {
  expectDone(answer);
  const parsed = schema.safeParse(answer.body);
  return parsed.success ? parsed.data : throwUnavailable("failing");
}

/** Throws `StoreTrouble` for an answer that is a refusal. */
export function expectDone(answer: VaultAnswer): void {
  if (hasError(answer, /^Upgrading from non-versioned/)) throwUnavailable("failing");
  if (answer.status !== 200 && answer.status !== 204) throwDenied("invalid");
}

const mountAnswer = z.object({
  data: z.object({
    path: z.string(),
    type: z.string(),
    options: z.object({ version: z.string().optional() }).nullish(),
  }),
});

/** Throws `StartError` for a path that cannot be a mount. */
export function assertMount(path: string): void {
  if (mountPath.test(path)) return;
  throw new StartError("A mount of Vault must be a path of words with slashes between them.");
}

/**
 * The mount of a path, without its last slash. `probe` is a request below it that the policy allows. Throws
 * `StoreTrouble`, also when another engine than key-value of version 2 is mounted: there a read would look
 * like an absence, and a write would succeed without a version.
 */
export async function findMount(client: VaultClient, path: string, probe: string): Promise<string> {
  const { path: mount, type, options } = parseAnswer(mountAnswer, await ask(client, path, probe)).data;
  if (type !== "kv" || options?.version !== "2") throwDenied("wrong_engine");
  return mount.replace(/\/$/, "");
}

/**
 * Vault refuses alike a mount that does not exist and one that the policy hides. A request below it shows the
 * difference.
 */
async function ask(client: VaultClient, path: string, probe: string): Promise<VaultAnswer> {
  try {
    return await client.call({ method: "GET", path: `sys/internal/ui/mounts/${path}` });
  } catch (error) {
    if (!(error instanceof StoreTrouble) || error.answer.reason !== "policy") throw error;
    await client.call({ method: "GET", path: probe });
    throw error;
  }
}
