import type { Kept, Tenant } from "../ha/kept.ts";
import type { Chance } from "./chance.ts";

/** A credential that was acknowledged, as its clients know it. */
export class Entry {
  readonly kept: Kept;
  readonly label: string;
  revoked = false;
  /** Acknowledged reveals. */
  reveals = 0;
  /** In the hands of one client, or of the check. */
  isBusy = true;

  constructor(kept: Kept, label: string) {
    this.kept = kept;
    this.label = label;
  }
}

/** An unanswered write that was sent again until it was answered; `code` where it was refused. */
export type Repeat = Readonly<{ what: string; attempts: number; code: string | null }>;

/** What clients know from outside. Nothing stands here that was not acknowledged. */
export class Ledger {
  readonly entries: Entry[] = [];
  /** Names of accounts, each sent under one key. */
  readonly accounts: Readonly<{ tenant: Tenant; name: string }>[] = [];
  readonly repeats: Repeat[] = [];
  /** Codes of writes that were refused the first time they were sent. */
  readonly refusals: string[] = [];
  writes = 0;
  reveals = 0;
  /** Reveals that gave an older secret than the last acknowledged one, or one that nobody sent. */
  wrongReveals = 0;

  /** One that is in no hands, for whoever gives it back; `null` when there is none. */
  borrow(chance: Chance): Entry | null {
    const entry = chance.pick(this.entries.filter(({ isBusy, revoked }) => !isBusy && !revoked));
    if (entry === undefined) return null;
    entry.isBusy = true;
    return entry;
  }
}
