const REMEMBERED = 5000;

/** Remembers the latest ids, far more than a resumed gateway session replays. */
export class Recent {
  private readonly ids = new Set<string>();

  /** True the first time an id is shown. */
  isNew(id: string): boolean {
    if (this.ids.has(id)) return false;
    this.ids.add(id);
    if (this.ids.size > REMEMBERED) this.ids.delete(this.ids.values().next().value!);
    return true;
  }
}
