import type { Custody } from "../../credentials/custody.ts";
import type { Webhooks } from "../../webhooks/webhook.ts";
import type { Cursors } from "../paging.ts";

/** What the routes work with, from `app.ts`. */
export type Parts = Readonly<{
  custody: Custody;
  webhooks: Webhooks;
  cursors: Cursors;
  /** The addresses from which a venue is called. */
  egressAddresses: (venue: string) => readonly string[];
  /** Drops the cached rights of a member in this process. */
  forget: (memberId: string) => void;
  /** Whether all of the service works, or a part. Throws `not_ready` if nothing works. */
  ready: () => Promise<"ok" | "degraded">;
}>;
