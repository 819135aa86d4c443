import type { Custody } from "../../credentials/custody.ts";
import type { Webhooks } from "../../webhooks/webhook.ts";
import type { Cursors } from "../paging.ts";

/** What the routes work with; each asks for the part that it needs. Wired in `app.ts`. */
export type Parts = Readonly<{
  custody: Custody;
  webhooks: Webhooks;
  cursors: Cursors;
  /** The addresses by which a venue sees Keyhold. */
  egressAddresses: (venue: string) => readonly string[];
  /** Makes a change of a member's rights known at once in this process. */
  forget: (memberId: string) => void;
  /** Whether all of the service works, or part of it. Throws `not_ready` while nothing does. */
  ready: () => Promise<"ok" | "degraded">;
}>;
