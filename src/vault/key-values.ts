import { z } from "zod";
import { throwUnavailable } from "../remote/failure.ts";
import { assertMount, expectDone, findMount, hasError, parseAnswer, type VaultClient } from "./client.ts";

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

/**
 * A key-value engine of version 2. Each path has versions, numbered from 1 without a gap. Throws what
 * `VaultClient` throws, and `StoreTrouble` for another engine.
 */
export class VersionedKeyValues {
  readonly #client: VaultClient;
  readonly #mount: string;
  #checked = false;

  /** Throws `StartError` for a path that cannot be a mount. */
  constructor(client: VaultClient, mount: string) {
    assertMount(mount);
    this.#client = client;
    this.#mount = mount;
  }

  /** Any version of the history; `null` when it does not exist, or no longer exists. */
  async read(path: string, version: number): Promise<KeyValues | null> {
    await this.#checkOnce();
    const request = { method: "GET", path: `${this.#mount}/data/${path}?version=${version}` } as const;
    const answer = await this.#client.call(request);
    // A standby can be a moment behind and not know the newest version.
    const decisive = answer.status === 404 ? await this.#client.call({ ...request, at: "active" }) : answer;
    if (decisive.status === 404) return null;
    const { data, metadata } = parseAnswer(versionAnswer, decisive).data;
    return metadata.version === version ? data : throwUnavailable("failing");
  }

  /** Check-and-set: writes the version after `current`. @returns false when another write was first. */
  async write(path: string, current: number, data: KeyValues): Promise<boolean> {
    await this.#checkOnce();
    const body = { options: { cas: current }, data };
    const answer = await this.#client.call({ method: "POST", path: `${this.#mount}/data/${path}`, body });
    if (hasError(answer, /^check-and-set parameter did not match/)) return false;
    const { version } = parseAnswer(writeAnswer, answer).data;
    return version === current + 1 ? true : throwUnavailable("failing");
  }

  /** The newest version of a path, the versions that are not destroyed, and how many versions are kept. */
  async readMetadata(
    path: string,
  ): Promise<Readonly<{ current: number; live: readonly number[]; maxVersions: number }>> {
    await this.#checkOnce();
    const request = { method: "GET", path: `${this.#mount}/metadata/${path}`, at: "active" } as const;
    const answer = await this.#client.call(request);
    if (answer.status === 404) return { current: 0, live: [], maxVersions: 0 };
    const {
      current_version: current,
      max_versions: maxVersions,
      versions,
    } = parseAnswer(metadataAnswer, answer).data;
    const live = Object.entries(versions).filter(([, version]) => !version.destroyed);
    return { current, maxVersions, live: live.map(([number]) => Number(number)) };
  }

  /** Sets how many versions a path keeps, and that each write needs check-and-set from now on. */
  async configure(path: string, maxVersions: number): Promise<void> {
    await this.#checkOnce();
    const body = { max_versions: maxVersions, cas_required: true };
    expectDone(await this.#client.call({ method: "POST", path: `${this.#mount}/metadata/${path}`, body }));
  }

  /** Removes the data of versions for good; their numbers are not used again. */
  async destroy(path: string, versions: readonly number[]): Promise<void> {
    await this.#checkOnce();
    const body = { versions };
    expectDone(await this.#client.call({ method: "POST", path: `${this.#mount}/destroy/${path}`, body }));
  }

  /** Checks what is mounted. */
  async check(): Promise<void> {
    await findMount(this.#client, this.#mount, `${this.#mount}/data/${neverWritten}`);
    this.#checked = true;
  }

  async #checkOnce(): Promise<void> {
    if (!this.#checked) await this.check();
  }
}

/** A path that each policy for Keyhold covers, and that is never written. */
const neverWritten = "tenants/00000000-0000-0000-0000-000000000000";
