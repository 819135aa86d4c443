/**
 * What a right rests on: the lines of `grants.line`, the last link of the record when they were read, and when the database was asked,
 * by `performance.now()`.
 */
export type Proof = Readonly<{ link: number; grants: string; askedAt: number }>;

/** The rows whose grants a proof must have, and the version of a credential that is to be opened. */
export type Proven = Readonly<{ ids: readonly string[]; version?: number | null }>;

/** Whether the grants let the version be opened that is asked for. Throws `rights_unproven`, which is recorded first. */
export type Prove = (tenantId: string, proof: Proof, asked: Proven) => Promise<boolean>;
