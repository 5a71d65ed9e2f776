import { existsSync, globSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { libraryFolders, releaseCodename, unpackPackages } from './debian.ts'

/** A browser that runs. `endpoint` is the WebSocket URL for playwright's `chromium.connect`. */
export type Chromium = { endpoint: string; version: string }

/** A browser that this process has started. */
export type RunningChromium = Chromium & { stop(): Promise<void> }

/** Path of Debian's Chromium where it is installed. */
const INSTALLED_CHROMIUM = '/usr/bin/chromium'

/** Setting of fontconfig: which of the unpacked fonts is used for monospaced text. */
const MONOSPACE_FONT_XML =
  '<alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>'

/** Arguments of the browser. Most of them keep it from making connections of its own. */
const QUIET_ARGUMENTS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/**
 * Starts Chromium without a window: the one that is installed, or else Debian's package, unpacked into the project's cache. The
 * browser ends when this process does.
 * @throws Error if the package cannot be fetched or the browser does not start
 */
export async function startChromium(): Promise<RunningChromium> {
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-chromium-'))
  try {
    const { executablePath, env } = existsSync(INSTALLED_CHROMIUM)
      ? { executablePath: INSTALLED_CHROMIUM, env: {} }
      : await unpackChromium(folder)
    const server = await chromium.launchServer({
      executablePath,
      // The sandbox needs rights that not every user has. It is not needed, as the browser opens only this project's pages.
      chromiumSandbox: false,
      args: QUIET_ARGUMENTS,
      host: '127.0.0.1',
      // The browser ends when its pipe to this process closes, so playwright need not handle signals.
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
      env: { PATH: process.env.PATH, HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder, ...env },
    })
    const browser = await chromium.connect(server.wsEndpoint())
    const version = browser.version()
    await browser.close()
    return {
      endpoint: server.wsEndpoint(),
      version,
      async stop() {
        await server.close()
        await rm(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/**
 * Unpacks Debian's Chromium. The browser starts itself again for each of its processes with the system's dynamic loader, so it gets
 * its libraries by LD_LIBRARY_PATH. Therefore the package is that of the system's own release, and the C library is removed, as it
 * must fit the loader.
 * @returns the program, and the environment variables that it needs
 */
async function unpackChromium(folder: string) {
  const root = await unpackPackages(
    { suite: releaseCodename(), packageName: 'chromium-headless-shell' },
    removeUnneededFiles,
  )
  const fonts = join(folder, 'fonts.conf')
  await writeFile(
    fonts,
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${root}/usr/share/fonts</dir><cachedir>${folder}</cachedir>${MONOSPACE_FONT_XML}</fontconfig>`,
  )
  const folders = libraryFolders(root).flatMap(library => [library, join(library, 'pulseaudio')])
  return {
    executablePath: join(root, 'usr/lib/chromium/chromium-headless-shell'),
    env: { LD_LIBRARY_PATH: folders.join(':'), FONTCONFIG_FILE: fonts },
  }
}

/** Removes the C library, and half a gigabyte that is not needed: graphics drivers, programs and documentation. */
async function removeUnneededFiles(root: string): Promise<void> {
  const unwanted = [
    'usr/lib/*-linux-gnu/{dri,libLLVM*,libz3*,systemd,gconv,perl*}',
    'usr/{bin,sbin,share/{doc,icons,locale,man,perl,X11}}',
    '{lib,usr/lib}/*-linux-gnu/{ld-linux*,lib{c,m,dl,rt,pthread,resolv,util,anl,mvec,thread_db,nss_*}.so*}',
    'usr/lib/chromium/libVkLayer*',
  ]
  for (const path of globSync(unwanted, { cwd: root })) await rm(join(root, path), { recursive: true })
}
