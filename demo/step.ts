import type { Client } from "@keyhold/client";
import { z } from "zod";
import type { Known, Scene } from "./stage.ts";

/** Who acts, and of which tenant; the operator is of none. */
export const actors = {
  operator: null,
  alice: "tenant",
  bob: "tenant",
  carol: "tenant",
  eve: "rival",
} as const satisfies Record<string, Parameters<Known["get"]>[0] | null>;
export type Actor = keyof typeof actors;

type Send = (keyhold: Client, scene: Scene) => Promise<Readonly<{ data?: unknown }>>;

/** What a step came to: what is told of it, or that it is not what was expected. */
export type Judgement = Readonly<{ told: string }> | "unexpected";

/** One request in front of the reader, and what must come back. */
export type Step = Readonly<{
  title: string;
  actor: Actor;
  send: Send;
  judge(scene: Scene, status: number, answer: unknown): Judgement;
}>;

type Spec<T> = Readonly<{
  title: string;
  actor: Actor;
  send: Send;
  status: number;
  /** Takes the answer that is expected and no other. */
  answer: z.ZodType<T>;
  /** What must hold beyond the answer. */
  holds?(scene: Scene, answer: T): boolean;
  tell(answer: T): string;
  /** Ids for later steps. */
  learn?(answer: T): Iterable<readonly [Parameters<Known["get"]>[0], string]>;
}>;

export function step<T>({ title, actor, send, status: expected, answer, ...spec }: Spec<T>): Step {
  return {
    title,
    actor,
    send,
    judge(scene, status, came) {
      const parsed = answer.safeParse(came);
      if (status !== expected || !parsed.success) return "unexpected";
      if (spec.holds !== undefined && !spec.holds(scene, parsed.data)) return "unexpected";
      for (const [name, id] of spec.learn?.(parsed.data) ?? []) scene.known.set(name, id);
      return { told: spec.tell(parsed.data) };
    },
  };
}

/** A step that must be refused with this code. */
export function refused(
  spec: Pick<Spec<unknown>, "title" | "actor" | "send" | "status"> & Readonly<{ code: string }>,
): Step {
  const answer = z.object({ code: z.literal(spec.code), detail: z.string() });
  return step({ ...spec, answer, tell: ({ code, detail }) => `${code}: ${detail}` });
}
