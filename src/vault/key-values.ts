import { z } from "zod";
import { throwUnavailable } from "../remote/failure.ts";
import { expectDone, hasError, parse, type VaultClient } from "./client.ts";
import { assertMount, findMount } from "./mount.ts";

export type KeyValues = Readonly<Record<string, unknown>>;

const versionAnswer = z.object({
  data: z.object({
    data: z.record(z.string(), z.unknown()).nullable(),
    metadata: z.object({ version: z.number() }),
  }),
});
const writeAnswer = z.object({ data: z.object({ version: z.number() }) });
const metadataAnswer = z.object({
  data: z.object({
    current_version: z.number(),
    max_versions: z.number(),
    versions: z.record(z.string(), z.object({ destroyed: z.boolean() })),
  }),
});

/** Of one path: the newest version, which of the older ones are not destroyed, and how many are kept. */
export type Metadata = Readonly<{ current: number; live: readonly number[]; maxVersions: number }>;

/**
 * A key-value engine of version 2: every path has versions, numbered from 1 without a gap. Throws what `VaultClient` throws, and
 * `StoreTrouble` when the engine is another one.
 */
export class VersionedKeyValues {
  readonly #client: VaultClient;
  readonly #mount: string;
  #checked = false;

  /** Throws `StartError` for a mount that could not be one. */
  constructor(client: VaultClient, mount: string) {
    assertMount(mount);
    this.#client = client;
    this.#mount = mount;
  }

  /** One version, wherever in the history it is; `null` when it does not exist, or no longer. */
  async read(path: string, version: number): Promise<KeyValues | null> {
    await this.#checkOnce();
    const request = { method: "GET", path: `${this.#mount}/data/${path}?version=${version}` } as const;
    const answer = await this.#client.call(request);
    // A standby that is a moment behind does not know the newest version yet.
    const decisive = answer.status === 404 ? await this.#client.call({ ...request, at: "active" }) : answer;
    if (decisive.status === 404) return null;
    const { data, metadata } = parse(versionAnswer, decisive).data;
    return metadata.version === version ? data : throwUnavailable("failing");
  }

  /** Check-and-set: writes the version after `current`, unless another write was first; then it answers false. */
  async write(path: string, current: number, data: KeyValues): Promise<boolean> {
    await this.#checkOnce();
    const body = { options: { cas: current }, data };
    const answer = await this.#client.call({ method: "POST", path: `${this.#mount}/data/${path}`, body });
    if (hasError(answer, /^check-and-set parameter did not match/)) return false;
    const { version } = parse(writeAnswer, answer).data;
    return version === current + 1 ? true : throwUnavailable("failing");
  }

  async readMetadata(path: string): Promise<Metadata> {
    await this.#checkOnce();
    const request = { method: "GET", path: `${this.#mount}/metadata/${path}`, at: "active" } as const;
    const answer = await this.#client.call(request);
    if (answer.status === 404) return { current: 0, live: [], maxVersions: 0 };
    const {
      current_version: current,
      max_versions: maxVersions,
      versions,
    } = parse(metadataAnswer, answer).data;
    const live = Object.entries(versions).filter(([, version]) => !version.destroyed);
    return { current, maxVersions, live: live.map(([number]) => Number(number)) };
  }

  /** How many versions a path keeps; from now on nobody can write to it without check-and-set. */
  async configure(path: string, maxVersions: number): Promise<void> {
    await this.#checkOnce();
    const body = { max_versions: maxVersions, cas_required: true };
    expectDone(await this.#client.call({ method: "POST", path: `${this.#mount}/metadata/${path}`, body }));
  }

  /** Removes the data of versions for good; their numbers stay taken. */
  async destroy(path: string, versions: readonly number[]): Promise<void> {
    await this.#checkOnce();
    const body = { versions };
    expectDone(await this.#client.call({ method: "POST", path: `${this.#mount}/destroy/${path}`, body }));
  }

  /** Asks what is mounted. */
  async check(): Promise<void> {
    await findMount(this.#client, this.#mount, `${this.#mount}/data/${nobody}`);
    this.#checked = true;
  }

  async #checkOnce(): Promise<void> {
    if (!this.#checked) await this.check();
  }
}

/** Below what every policy for Keyhold covers, and never written. */
const nobody = "tenants/00000000-0000-0000-0000-000000000000";
