import type {
  KeyCreation,
  KeyRevocation,
  KeySearch,
  KeyTarget,
  VenueKeys,
} from "../src/venues/venue-keys.ts";
import type { SecretFields } from "../src/venues/venue.ts";
import type { Verdict } from "../src/venues/verdict.ts";
import { ScriptedVenue, valid } from "./scripted-venue.ts";
import { secretFields } from "./tenants.ts";

type Around = <T>(name: string, kind: "read" | "write", work: () => Promise<T>) => Promise<T>;

/** A sub-account of a venue, with its keys: made, found and deleted as a venue does, with nothing in between. */
export class ScriptedSubAccount {
  /** Keys that the venue accepts, with the note on each. */
  readonly keys = new Map<string, string>();
  #made = 0;

  /** What a key may be used for, as its holder sees it: `around` is put about each question. */
  venue(around: Around): ScriptedVenue {
    const venue = new ScriptedVenue();
    venue.verdict = ({ fields }) =>
      around("question to the venue", "read", () => Promise.resolve(this.#judge(fields)));
    return venue;
  }

  management(around: Around): VenueKeys {
    return {
      description: {
        venue: "scripted",
        name: "Scripted",
        environments: ["live"],
        fields: ["api_key", "api_secret"],
        longestMarker: 20,
        settlesAfterMs: 1000,
      },
      create: (_target: KeyTarget, marker: string) =>
        around("creation of a key at the venue", "write", () => Promise.resolve(this.#create(marker))),
      find: (_target: KeyTarget, marker: string) =>
        around("search for a key at the venue", "read", () => Promise.resolve(this.#find(marker))),
      revoke: (_target: KeyTarget, key: SecretFields) =>
        around("deletion of a key at the venue", "write", () => Promise.resolve(this.#revoke(key))),
    };
  }

  #judge(fields: SecretFields): Verdict {
    const name = nameIn(fields);
    if (this.keys.has(name) || name === "parent") return valid();
    return { outcome: "rejected", reason: "bad_key", message: "Scripted: there is no such key." };
  }

  #create(marker: string): KeyCreation {
    const there = this.#find(marker);
    if (there.outcome === "found") return { outcome: "exists", key: there.key };
    this.#made += 1;
    const name = `made ${this.#made}`;
    this.keys.set(name, marker);
    return { outcome: "created", fields: secretFields({ api_key: name, api_secret: `secret of ${name}` }) };
  }

  #find(marker: string): KeySearch {
    const found = [...this.keys].find(([, note]) => note === marker);
    if (found === undefined) return { outcome: "absent" };
    return { outcome: "found", key: secretFields({ api_key: found[0] }) };
  }

  #revoke(key: SecretFields): KeyRevocation {
    return { outcome: this.keys.delete(nameIn(key)) ? "revoked" : "absent" };
  }
}

export function nameIn(fields: SecretFields): string {
  return fields.get("api_key")?.expose((bytes) => Buffer.from(bytes).toString()) ?? "";
}
