import { type RawBuilder, sql } from "kysely";

/** What a search asks for; all of it must hold. */
export type EventFilter = Readonly<{
  credentialId?: string;
  event?: string;
  outcome?: string;
  /** A member by its id, an operator by its subject, the service by its task. */
  actor?: string;
  apiKeyId?: string;
  /** Of an operator's token. */
  issuer?: string;
  since?: Date;
  until?: Date;
}>;

/** The columns of a search, those first that usually narrow it most: the first one that is asked for is looked up by its index. */
const columns = [
  ["credential_id", "credentialId"],
  ["api_key_id", "apiKeyId"],
  ["issuer", "issuer"],
  ["actor", "actor"],
  ["event", "event"],
  ["outcome", "outcome"],
] as const satisfies readonly (readonly [string, keyof EventFilter])[];

type Condition = RawBuilder<unknown>;

/** The condition that an index serves, on a row named `f`; `null` where none is asked for. */
export function indexedCondition(filter: EventFilter): Condition | null {
  const [first] = equalities(filter);
  if (first === undefined) return null;
  // They have an index of their own, which the planner takes where it reads the name.
  const areReveals = filter.credentialId !== undefined && filter.event === "credential.revealed";
  return areReveals ? sql`${first} and f.event = 'credential.revealed'` : first;
}

/** Everything that is asked for, on a row named `f` with the facts of an event. */
export function conditionsOf(filter: EventFilter): Condition {
  const { since, until } = filter;
  const times = [
    ...(since === undefined ? [] : [sql`f.recorded_at >= ${since}`]),
    ...(until === undefined ? [] : [sql`f.recorded_at < ${until}`]),
  ];
  return sql.join([sql`true`, ...equalities(filter), ...times], sql` and `);
}

function equalities(filter: EventFilter): readonly Condition[] {
  return columns.flatMap(([column, name]) => {
    const value = filter[name];
    return value === undefined ? [] : [sql`f.${sql.ref(column)} = ${value}`];
  });
}

export function isEmpty(filter: EventFilter): boolean {
  return Object.values(filter).every((value) => value === undefined);
}
