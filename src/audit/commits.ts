/** What waits for a commit, and since when, in milliseconds of `performance.now()`. */
export type Waiting = Readonly<{
  tenantId: string;
  since: number;
  reject: (cause: unknown) => void;
}>;

/** Commits a group. Answers how to settle what was committed, which is done when the next group is on its way. */
export type Commit<T> = (group: readonly T[]) => Promise<() => void>;

export type CommitsOptions = Readonly<{
  mostInGroup: number;
  /** Called when nothing waits any more. */
  onIdle?: () => void;
}>;

/** Commits one group at a time. What arrives while a group is being committed forms the next group. */
export class Commits<T extends Waiting> {
  readonly #commit: Commit<T>;
  readonly #options: CommitsOptions;
  #waiting: T[] = [];
  #committing = false;

  constructor(commit: Commit<T>, options: CommitsOptions) {
    this.#commit = commit;
    this.#options = options;
  }

  push(one: T): void {
    this.#waiting.push(one);
    if (this.#committing) return;
    this.#committing = true;
    // Requests that were read from their sockets together go together: started at once, the first would go alone.
    setImmediate(() => void this.#commitNext());
  }

  /** The next group is on its way before the secrets of this one are opened: the database and this process work at once. */
  async #commitNext(): Promise<void> {
    const group = this.#waiting.splice(0, this.#options.mostInGroup);
    this.#committing = group.length > 0;
    if (!this.#committing) {
      this.#options.onIdle?.();
      return;
    }
    const settle = await this.#commit(group).catch((error: unknown) => {
      // Without a record, what came meanwhile would wait as long once more.
      group.push(...this.#waiting.splice(0));
      return () => {
        for (const { reject } of group) reject(error);
      };
    });
    void this.#commitNext();
    settle();
  }
}
