import { Webhook } from "standardwebhooks";
import { type Received, Receiver } from "../../testkit/receiver.ts";
import { type Arrival, digestOf, idIn } from "./book.ts";
import type { Desk } from "./desk.ts";

/** Of so many messages that come for the first time one is answered with 500, and one with nothing. */
const troubleEvery = 40;

/** The receiver of all endpoints, who has everything that comes, and now and then fails all the same. */
export class Mailbox {
  readonly arrivals: Arrival[] = [];
  failed = 0;
  hungUp = 0;
  readonly #receiver: Receiver;
  readonly #desks = new Map<string, Desk>();
  readonly #known = new Set<string>();

  private constructor(receiver: Receiver, fails: boolean) {
    this.#receiver = receiver;
    receiver.answer = (message, response) => {
      const turn = this.#note(message) && fails ? this.#known.size % troubleEvery : -1;
      if (turn === 0) {
        this.failed += 1;
        response.writeHead(500).end();
      } else if (turn === troubleEvery / 2) {
        this.hungUp += 1;
        response.destroy();
      } else response.writeHead(204).end();
    };
  }

  static async open({ fails }: Readonly<{ fails: boolean }>): Promise<Mailbox> {
    return new Mailbox(await Receiver.start(), fails);
  }

  /** Where the endpoint of this number is told. */
  urlOf(number: number): string {
    return `${this.#receiver.url}/${number}`;
  }

  /** From here on messages of this desk are judged by its secret. */
  expect(desk: Desk): void {
    this.#desks.set(desk.path, desk);
  }

  close(): Promise<void> {
    return this.#receiver.close();
  }

  /** Answers whether it is the first of its id. */
  #note(message: Received): boolean {
    const { path, id: messageId, type, data, payload } = message;
    const desk = this.#desks.get(path);
    this.arrivals.push({
      path,
      messageId,
      type,
      id: idIn(data),
      digest: digestOf(payload),
      verifies: desk !== undefined && verifies(desk.secret, message),
      isOwn: data["tenant_id"] === desk?.tenantId,
    });
    const isFirst = !this.#known.has(messageId);
    this.#known.add(messageId);
    return isFirst;
  }
}

/** By a library of others, as a receiver would. */
function verifies(secret: string, { payload, headers }: Received): boolean {
  try {
    new Webhook(secret).verify(payload, { ...headers });
    return true;
  } catch {
    return false;
  }
}
