import type { Principal } from "../../access/principal.ts";
import type { Operation } from "../../venues/operations.ts";

/** One operation, asked for and checked: what is sent to the venue but the secret. */
export type Invocation = Readonly<{
  principal: Principal;
  credentialId: string;
  operation: Operation;
  params: Readonly<Record<string, unknown>>;
}>;

/** What came of an invocation; `outcome_unknown` when the venue's answer was lost and cannot be looked up. */
export type Invoked = Readonly<{
  outcome: "done" | "outcome_unknown";
  operation: string;
  result: unknown;
  message: string | null;
  client_order_id: string | null;
}>;
