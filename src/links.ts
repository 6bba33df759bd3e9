import type { BookEntry, Books } from './contracts/books.ts';
import { KEPT, LINKS, linkSchema, readShelf } from './contracts/books.ts';
import type { Platform } from './contracts/chat.ts';
import type { FindPerson } from './contracts/command.ts';
import type { Json } from './contracts/plan.ts';
import type { Store } from './contracts/store.ts';
import type { Found, People } from './people.ts';

/** Shelves whose keys are people. */
const BY_PERSON: ReadonlySet<string> = new Set([LINKS, KEPT]);

/** The books as everybody but the hands sees them: to read, with everybody as they are called now. Keys stay as written. */
export function booksOf(store: Pick<Store, 'bookEntries' | 'bookEntry'>, people: Pick<People, 'currentId'>): Books {
  const now = (entry: BookEntry): BookEntry => ({ ...entry, value: calledNow(entry.value, people) });
  const entries = async (shelf: string) => (await store.bookEntries(shelf)).map(now);
  return {
    entries,
    async entry(shelf, key) {
      const found = await store.bookEntry(shelf, key);
      if (found) return now(found);
      return BY_PERSON.has(shelf) ? (await entries(shelf)).find(({ value }) => personIn(value) === key) : undefined;
    },
  };
}

const isRecord = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const personIn = (value: Json): Json | undefined => (isRecord(value) ? value['person'] : undefined);

/** Links, grants and what is kept name a person; what waits holds a grant. */
function calledNow(value: Json, people: Pick<People, 'currentId'>): Json {
  if (!isRecord(value)) return value;
  const { person, grant } = value;
  return {
    ...value,
    ...(typeof person === 'string' ? { person: people.currentId(person) } : {}),
    ...(isRecord(grant) ? { grant: calledNow(grant, people) } : {}),
  };
}

/** Somebody of the config, or behind a mention; what the config does not say of them is in the book of links. */
export function finder(people: People, books: Books, platform: Platform): FindPerson {
  return async (text) => {
    const found = people.find(text, platform);
    return found && linked(found, books);
  };
}

async function linked(found: Found, books: Books): ReturnType<FindPerson> {
  const links = await readShelf(books, LINKS, linkSchema);
  const link = links.find(({ person }) => person === found.id);
  const github = found.github ?? link?.login;
  // A login of the config wins, and the name beside another login is not its own.
  const alias = link && link.login.toLowerCase() === github?.toLowerCase() ? link.name : undefined;
  return { ...found, ...(github ? { github } : {}), ...(alias ? { alias } : {}) };
}

/** Everybody listed in the config or linked to a login. */
export async function everybody(people: People, books: Books): Promise<readonly Found[]> {
  const links = await readShelf(books, LINKS, linkSchema);
  const listed = people.listed.map((one) => {
    const login = one.github ?? links.find(({ person }) => person === one.id)?.login;
    return { ...one, ...(login ? { github: login } : {}) };
  });
  const known = new Set(listed.map(({ id }) => id));
  const others = links.filter(({ person }) => !known.has(person));
  return [...listed, ...others.map(({ person, login }) => ({ id: person, name: person, github: login }))];
}
