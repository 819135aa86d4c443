import { Agent, request } from "undici";

export type Call = Readonly<{
  method: "GET" | "POST" | "DELETE" | "LIST";
  /** Below `/v1/`. */
  path: string;
  token?: string;
  namespace?: string | undefined;
  body?: object | undefined;
}>;

/** Whatever the server answered; a body that is not JSON counts as empty. */
export type Answer = Readonly<{ status: number; body: Readonly<Record<string, unknown>> }>;

/** Calls the HTTP API of single servers, whose certificates are of one authority. */
export class Api {
  readonly #agent: Agent;

  constructor(ca: string) {
    // To learn whether a server speaks HTTP/2 the client would let all calls wait for the first, where it is halted.
    this.#agent = new Agent({ connect: { ca }, allowH2: false });
  }

  /** Throws where no answer comes within `patienceMs`. */
  async call(address: string, call: Call, patienceMs = 2000): Promise<Answer> {
    const { method, path, token, namespace, body } = call;
    const answer = await request(`${address}/v1/${path}`, {
      method,
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(patienceMs),
      headers: {
        ...(token === undefined ? {} : { "x-vault-token": token }),
        ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.statusCode, body: parse(await answer.body.text()) };
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }
}

/** The answer, which must not be a refusal. Throws an `Error` with the server's words. */
export function accepted(answer: Answer): Answer {
  if (answer.status < 300) return answer;
  throw new Error(`the server answered ${answer.status}: ${JSON.stringify(answer.body["errors"] ?? null)}`);
}

/** A text in an answer, at this path of names. Throws an `Error` where there is none. */
export function textAt({ body }: Answer, ...names: readonly string[]): string {
  const value = names.reduce<unknown>(
    (within, name) => (typeof within === "object" && within !== null ? Reflect.get(within, name) : undefined),
    body,
  );
  if (typeof value !== "string") throw new Error(`the answer has no ${names.join(".")}`);
  return value;
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
