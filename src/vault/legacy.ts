import { z } from "zod";
import { findMount, parseAnswer, type VaultClient } from "./client.ts";
import type { KeyValues } from "./key-values.ts";

const listAnswer = z.object({ data: z.object({ keys: z.array(z.string()) }) });
const metadata = z.object({ version: z.number() });
const foundAnswer = z.object({
  data: z.object({ data: z.record(z.string(), z.unknown()).nullable(), metadata }),
});
/** The body with status 404 for a version that was deleted or destroyed. */
const endedAnswer = z.object({ data: z.object({ metadata: metadata.extend({ destroyed: z.boolean() }) }) });

/** The newest version of a path. An older version is never read in its place. */
type Newest =
  | Readonly<{ outcome: "found"; version: number; values: KeyValues }>
  | Readonly<{ outcome: "absent" }>
  | Readonly<{ outcome: "deleted" | "destroyed"; version: number }>;

/**
 * Secrets that another program keeps unsealed in a key-value engine of version 2. They are read and never
 * changed. A path is written as people write it, with the mount first and without `data`, and each part must
 * be a word. Throws what `VaultClient` throws, and `StoreTrouble` for another engine.
 */
export class LegacySecrets {
  readonly mount: string;
  readonly #client: VaultClient;

  private constructor(client: VaultClient, mount: string) {
    this.#client = client;
    this.mount = mount;
  }

  /** The engine that `path` belongs to. */
  static async open(client: VaultClient, path: string): Promise<LegacySecrets> {
    const [mount = "", ...rest] = path.split("/");
    return new LegacySecrets(client, await findMount(client, path, `${mount}/data/${rest.join("/")}`));
  }

  /** The names directly below a path, a folder with a slash at its end. */
  async list(path: string): Promise<readonly string[]> {
    const answer = await this.#client.call({
      method: "GET",
      path: `${this.mount}/metadata/${this.below(path)}?list=true`,
      at: "active",
    });
    return answer.status === 404 ? [] : parseAnswer(listAnswer, answer).data.keys;
  }

  async read(path: string): Promise<Newest> {
    const answer = await this.#client.call({
      method: "GET",
      path: `${this.mount}/data/${this.below(path)}`,
      at: "active",
    });
    if (answer.status === 404) return endOf(answer.body);
    const { data, metadata: of } = parseAnswer(foundAnswer, answer).data;
    return { outcome: "found", version: of.version, values: data ?? {} };
  }

  /** A path as the engine knows it, without the mount. Throws `TypeError` for one of another mount. */
  below(path: string): string {
    if (!path.startsWith(`${this.mount}/`)) throw new TypeError(`the path is not below ${this.mount}`);
    return path.slice(this.mount.length + 1);
  }
}

function endOf(body: unknown): Newest {
  const { data } = endedAnswer.safeParse(body);
  if (data === undefined) return { outcome: "absent" };
  const { version, destroyed } = data.data.metadata;
  return { outcome: destroyed ? "destroyed" : "deleted", version };
}
