import { access, constants, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CommandError, exit } from './exit.ts'
import { plain } from './output.ts'

/** The text of a file that an option names. @throws CommandError if it cannot be read, or has more bytes than `most` */
export async function textOf(path: string, option: string, most: number): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size <= most) return await readFile(path, 'utf8')
  } catch (error) {
    throw unusable(path, option, `it cannot be read: ${whyNot(error, false)}`)
  }
  throw unusable(path, option, `it has more than ${most / 1024 / 1024} MiB`)
}

/** Finds out before a long work whether a file can be written at its end. @throws CommandError if not */
export async function checkPlace(path: string, option: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory()) throw unusable(path, option, 'it is a folder')
  // A device or a pipe would be replaced by a file, where the caller may do that.
  if (found && !found.isFile()) throw unusable(path, option, 'it is no file')
  try {
    await access(dirname(resolve(path)), constants.W_OK)
  } catch (error) {
    throw unusable(path, option, `it cannot be written: ${whyNot(error, true)}`)
  }
}

/**
 * Writes a file that only its owner may read, as a report says where the holes are. Whoever reads the file of before meanwhile
 * finds that whole.
 * @throws CommandError if it cannot be written
 */
export async function write(path: string, option: string, text: string): Promise<void> {
  const part = `${path}.${process.pid}.part`
  try {
    await writeFile(part, text, { mode: 0o600, flag: 'wx' })
    await rename(part, path)
  } catch (error) {
    await rm(part, { force: true })
    throw unusable(path, option, `it cannot be written: ${whyNot(error, true)}`)
  }
}

/** What the system's codes say, where it is the file. */
const problems: Record<string, string> = {
  EACCES: 'you may not do that there',
  EPERM: 'you may not do that there',
  EEXIST: 'there is something of that name already',
  EISDIR: 'it is a folder',
  ENOTDIR: 'what should be its folder is a file',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk is full for you',
  EROFS: 'nothing can be written to that disk',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'its name is too long',
  ELOOP: 'its links lead nowhere',
}

/** Why a file cannot be read or written, in words; `isNew`: it was to be made. */
export function whyNot(error: unknown, isNew: boolean): string {
  const { code = 'an error without a name' } = error as NodeJS.ErrnoException
  const missing = isNew ? 'its folder is not there' : 'there is no such file'
  return code === 'ENOENT' ? missing : (problems[code] ?? code)
}

const unusable = (path: string, option: string, why: string) =>
  new CommandError(exit.usage, `${option} ${plain(path)}: ${why}`, 'Name another file.')
