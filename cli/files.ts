import { access, constants, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CommandError, EXIT } from './exit.ts'
import { sanitize } from './output.ts'

/** The text of a file that an option names. @throws CommandError if it cannot be read, or has more bytes than `most` */
export async function readTextFile(path: string, option: string, most: number): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size <= most) return await readFile(path, 'utf8')
  } catch (error) {
    throw fileError(path, option, `it cannot be read: ${fileErrorText(error, false)}`)
  }
  throw fileError(path, option, `it has more than ${most / 1024 / 1024} MiB`)
}

/** Finds out before a long work whether a file can be written at its end. @throws CommandError if not */
export async function requireWritable(path: string, option: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory()) throw fileError(path, option, 'it is a folder')
  // A device or a pipe would be replaced by a file, where the caller may do that.
  if (found && !found.isFile()) throw fileError(path, option, 'it is no file')
  try {
    await access(dirname(resolve(path)), constants.W_OK)
  } catch (error) {
    throw fileError(path, option, `it cannot be written: ${fileErrorText(error, true)}`)
  }
}

/**
 * Writes a file that only its owner may read, as a report says where the holes are. Whoever reads the file of before meanwhile
 * finds that whole.
 * @throws CommandError if it cannot be written
 */
export async function writePrivateFile(path: string, option: string, text: string): Promise<void> {
  const part = `${path}.${process.pid}.part`
  try {
    await writeFile(part, text, { mode: 0o600, flag: 'wx' })
    await rename(part, path)
  } catch (error) {
    await rm(part, { force: true })
    throw fileError(path, option, `it cannot be written: ${fileErrorText(error, true)}`)
  }
}

/** What the system's codes say, where it is the file. */
const ERROR_CODE_TEXTS: Record<string, string> = {
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
export function fileErrorText(error: unknown, isNew: boolean): string {
  const { code = 'an error without a name' } = error as NodeJS.ErrnoException
  const missing = isNew ? 'its folder is not there' : 'there is no such file'
  return code === 'ENOENT' ? missing : (ERROR_CODE_TEXTS[code] ?? code)
}

const fileError = (path: string, option: string, why: string) =>
  new CommandError(EXIT.usage, `${option} ${sanitize(path)}: ${why}`, 'Name another file.')
