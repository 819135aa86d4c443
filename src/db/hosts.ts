import { callbackify } from "node:util";
import { Client, type ClientConfig, Pool, type PoolClient, type PoolConfig } from "pg";
import type { Host } from "./url.ts";

/** The server accepts no writes: SQLSTATE 25006, read_only_sql_transaction. */
class Standby extends Error {
  override readonly name = "Standby";
  readonly code = "25006";
}

type Done = (
  error: Error | undefined,
  client: PoolClient | undefined,
  release: (broken?: unknown) => void,
) => void;

/**
 * Connections to the primary among several hosts. A new connection goes to the host that was the last
 * primary. If that host cannot be reached or is a standby now, the next host is tried.
 */
export class PoolOfHosts extends Pool {
  readonly #hosts: Hosts;

  constructor({ host = "", port = 5432, ...config }: PoolConfig, others: readonly Host[]) {
    const hosts = new Hosts([{ host, port }, ...others]);
    super({ ...config, Client: clientOf(hosts), verify: callbackify(refuseStandby) });
    this.#hosts = hosts;
  }

  override connect(): Promise<PoolClient>;
  override connect(callback: Done): void;
  override connect(callback?: Done): Promise<PoolClient> | void {
    if (callback === undefined) return this.#connect();
    callbackify(() => this.#connect())((error, client) =>
      callback(error ?? undefined, client, (broken) => client?.release(Boolean(broken))),
    );
  }

  async #connect(): Promise<PoolClient> {
    for (let tries = 1; ; tries += 1) {
      const asked = this.#hosts.present;
      try {
        return await super.connect();
      } catch (error) {
        this.#hosts.leave(asked);
        if (tries >= this.#hosts.count) throw error;
      }
    }
  }
}

/** The hosts, and the one for new connections. */
class Hosts {
  readonly #all: readonly Host[];
  #at = 0;

  constructor(all: readonly Host[]) {
    this.#all = all;
  }

  get count(): number {
    return this.#all.length;
  }

  get present(): Host {
    return this.#all[this.#at] ?? { host: "", port: 0 };
  }

  /** Goes on to the next, unless another connection has done so. */
  leave(host: Host): void {
    if (host === this.present) this.#at = (this.#at + 1) % this.#all.length;
  }
}

function clientOf(hosts: Hosts): typeof Client {
  return class extends Client {
    constructor(config: string | ClientConfig = {}) {
      // The pool hides its password from copies of its options.
      const { password } = typeof config === "string" ? {} : config;
      super({ ...(typeof config === "string" ? {} : config), password, ...hosts.present });
    }
  };
}

async function refuseStandby(client: Pick<Client, "query">): Promise<void> {
  const { rows } = await client.query<{ standby: boolean }>("select pg_is_in_recovery() as standby");
  if (rows[0]?.standby !== false) throw new Standby("the server is a standby");
}
