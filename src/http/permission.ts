import { operatorScope, type Scope } from "../access/permissions.ts";
import { assertScope, type Member, type Operator } from "../access/principal.ts";
import { KeyholdError } from "../errors.ts";

/** Who may call: holders of a scope, the operator, anybody with a valid token or API key, or anybody. */
type Permission = Scope | "platform" | "authenticated" | "public";

export type Caller = Member | Operator | null;

/** A declared permission, and the check that it stands for. */
export type Admission<C extends Caller = Caller> = Readonly<{
  permission: Permission;
  /** Answers with the caller as the kind that was asked for. Throws `forbidden`, or `unauthenticated` for nobody. */
  admit(caller: Caller): C;
}>;

/** Members of a tenant whose token and role give this scope. */
export function holdersOf(scope: Scope): Admission<Member> {
  return {
    permission: scope,
    admit(caller) {
      if (caller?.kind !== "member")
        throw forbidden("This belongs to a tenant, and the operator sees nothing inside one.");
      assertScope(caller, scope);
      return caller;
    },
  };
}

/** The same without agents, whatever scopes they carry. */
export function closedToAgents<C extends Caller>({ permission, admit }: Admission<C>): Admission<C> {
  return {
    permission,
    admit(caller) {
      if (caller?.kind === "member" && caller.agent)
        throw new KeyholdError(
          "forbidden",
          "An agent reads and places orders. Ask a person to change this.",
          {
            facts: { reason: "agent" },
          },
        );
      return admit(caller);
    },
  };
}

/** Who runs the installation. */
export const operator: Admission<Operator> = {
  permission: "platform",
  admit(caller) {
    if (caller?.kind === "operator") return caller;
    throw forbidden(`This is the operator's: it needs the scope ${operatorScope}.`);
  },
};

/** A member of any role, or the operator. */
export const anyCaller: Admission<Member | Operator> = {
  permission: "authenticated",
  admit(caller) {
    if (caller !== null) return caller;
    throw forbidden("This needs a token or an API key.");
  },
};

/** Anybody, without a token. */
export const everybody: Admission<null> = { permission: "public", admit: () => null };

function forbidden(detail: string): KeyholdError {
  return new KeyholdError("forbidden", detail);
}
