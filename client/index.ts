export type * from "./api.ts";
export { all, answerOf, at, type Client, createClient, ifMatch, type Page } from "./client.ts";
export { KeyholdProblem, type ProblemCode } from "./problem.ts";
export type { Retries } from "./send.ts";
