import { operatorScope, type Scope } from "../access/permissions.ts";
import { assertScope, type Member, type Operator } from "../access/principal.ts";
import { KeyholdError } from "../errors.ts";

export type Caller = Member | Operator | null;

/** A declared permission, and the check that it stands for. */
export type Admission<C extends Caller = Caller> = Readonly<{
  /**
   * Who may call: holders of a scope, the operator, any caller with a valid token or API key, or any caller at
   * all.
   */
  permission: Scope | "platform" | "authenticated" | "public";
  /** Returns the caller as the required kind. Throws `forbidden`. */
  admit(caller: Caller): C;
}>;

/** Members of a tenant whose token and role give this scope. */
export function holdersOf(scope: Scope): Admission<Member> {
  return {
    permission: scope,
    admit(caller) {
      if (caller?.kind !== "member")
        throw forbidden("This belongs to a tenant, and the operator sees nothing inside a tenant.");
      assertScope(caller, scope);
      return caller;
    },
  };
}

/** The same, but no agent, whatever its scopes. */
export function closedToAgents<C extends Caller>({ permission, admit }: Admission<C>): Admission<C> {
  return {
    permission,
    admit(caller) {
      if (caller?.kind === "member" && caller.agent)
        throw new KeyholdError(
          "forbidden",
          "An agent can only read and place orders. Ask a person to make this change.",
          {
            facts: { reason: "agent" },
          },
        );
      return admit(caller);
    },
  };
}

/** The operator of the installation. */
export const operator: Admission<Operator> = {
  permission: "platform",
  admit(caller) {
    if (caller?.kind === "operator") return caller;
    throw forbidden(`Only the operator can do this: it requires the scope ${operatorScope}.`);
  },
};

/** A member of any role, or the operator. */
export const anyCaller: Admission<Member | Operator> = {
  permission: "authenticated",
  admit(caller) {
    if (caller !== null) return caller;
    throw forbidden("This requires a token or an API key.");
  },
};

/** Any caller, without a token. */
export const withoutToken: Admission<null> = { permission: "public", admit: () => null };

function forbidden(detail: string): KeyholdError {
  return new KeyholdError("forbidden", detail);
}
