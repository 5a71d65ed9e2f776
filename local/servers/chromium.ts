import { existsSync, globSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { libraryFolders, releaseCodename, unpackPackages } from './debian.ts'

/** `endpoint` is what playwright's `chromium.connect` takes. */
export type Chromium = { endpoint: string; version: string }
export type RunningChromium = Chromium & { stop(): Promise<void> }

const INSTALLED_CHROMIUM = '/usr/bin/chromium'

const MONOSPACE_FONT_XML =
  '<alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>'

/** Not to be asked by anything but a test, nor to ask anybody. */
const QUIET_ARGUMENTS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/**
 * Starts a browser without a window: this system's own, or the one of its release of Debian, unpacked into the project's
 * cache. It ends when this process does.
 * @throws if it cannot be had or does not start
 */
export async function startChromium(): Promise<RunningChromium> {
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-chromium-'))
  try {
    const { executablePath, env } = existsSync(INSTALLED_CHROMIUM)
      ? { executablePath: INSTALLED_CHROMIUM, env: {} }
      : await unpackChromium(folder)
    const server = await chromium.launchServer({
      executablePath,
      // Its own sandbox needs rights that an ordinary user does not have everywhere. It opens this project's pages alone.
      chromiumSandbox: false,
      args: QUIET_ARGUMENTS,
      host: '127.0.0.1',
      // It ends when its pipe to this process does.
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
 * It starts itself again for each of its parts, and so needs its libraries by the environment, and the loader that this
 * system has: hence this system's release, without the C library, which belongs to the loader.
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
  const folders = libraryFolders(root).flatMap(each => [each, join(each, 'pulseaudio')])
  return {
    executablePath: join(root, 'usr/lib/chromium/chromium-headless-shell'),
    env: { LD_LIBRARY_PATH: folders.join(':'), FONTCONFIG_FILE: fonts },
  }
}

/** Also without what takes half a gigabyte for nothing: drivers of graphics cards, programs, texts. */
async function removeUnneededFiles(root: string): Promise<void> {
  const unwanted = [
    'usr/lib/*-linux-gnu/{dri,libLLVM*,libz3*,systemd,gconv,perl*}',
    'usr/{bin,sbin,share/{doc,icons,locale,man,perl,X11}}',
    '{lib,usr/lib}/*-linux-gnu/{ld-linux*,lib{c,m,dl,rt,pthread,resolv,util,anl,mvec,thread_db,nss_*}.so*}',
    'usr/lib/chromium/libVkLayer*',
  ]
  for (const path of globSync(unwanted, { cwd: root })) await rm(join(root, path), { recursive: true })
}
