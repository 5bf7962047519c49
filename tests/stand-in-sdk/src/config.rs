//! What a recorder answers to questions about itself.

use crate::clock::to_time;
use crate::ffi::{fill, fill_bytes};
use crate::layout::{
    DeviceCfgV40, DigitalChannelState, HdCfg, IpChanInfo, IpDevInfoV31, IpParaCfgV40, Layout,
    NtpPara, SingleHd, Time,
};
use crate::scenario::Device;

/// Channels of one group of `GET_IPPARACFG_V40`.
const GROUP: u32 = 64;

/// The wall clock.
pub fn time(device: &Device) -> Time {
    to_time(device.clock().now())
}

/// Where the recorder gets its time, and its zone without daylight saving.
pub fn ntp(device: &Device) -> NtpPara {
    let minutes = device.clock().standard_offset_minutes();
    let mut answer = NtpPara {
        wInterval: 60,
        wNtpPort: 123,
        cTimeDifferenceH: (minutes / 60) as i8,
        cTimeDifferenceM: (minutes % 60) as i8,
        ..Layout::zeroed()
    };
    fill(&mut answer.sNTPServer, "time.windows.com");
    answer
}

/// Cameras and digital channels of one group; nothing for a group that the recorder does not have.
pub fn ip_channels(device: &Device, group: u32) -> Option<Box<IpParaCfgV40>> {
    let digital = u32::from(device.digital_count());
    let groups = digital.div_ceil(GROUP).max(1);
    if group >= groups {
        return None;
    }
    let mut answer: Box<IpParaCfgV40> = Box::new(Layout::zeroed());
    answer.dwSize = size_of::<IpParaCfgV40>() as u32;
    answer.dwGroupNum = groups;
    answer.dwAChanNum = device.analog_channels.into();
    answer.dwDChanNum = digital;
    answer.dwStartDChan = device.first_digital.into();
    let analog = usize::from(device.analog_channels).min(answer.byAnalogChanEnable.len());
    answer.byAnalogChanEnable[..analog].fill(1);
    let first = u32::from(device.first_digital) + group * GROUP;
    for (n, channel) in device
        .channels
        .iter()
        .filter(|channel| device.is_digital(channel.number))
        .enumerate()
    {
        let ip_id = channel.ip_id.unwrap_or(n as u16 + 1);
        if let Some(slot) = channel
            .number
            .checked_sub(first)
            .filter(|slot| *slot < GROUP)
        {
            let info = IpChanInfo {
                byEnable: channel.online.into(),
                byIPID: (ip_id % 256) as u8,
                byIPIDHigh: (ip_id / 256) as u8,
                byChannel: 1,
                ..Layout::zeroed()
            };
            put_channel(&mut answer, slot as usize, info);
        }
        // A camera's entry lies in the group of its id, wherever its channel is.
        if let Some(slot) = u32::from(ip_id)
            .checked_sub(1 + group * GROUP)
            .filter(|slot| *slot < GROUP)
        {
            answer.struIPDevInfo[slot as usize] = camera(ip_id);
        }
    }
    Some(answer)
}

fn put_channel(answer: &mut IpParaCfgV40, slot: usize, info: IpChanInfo) {
    answer.struStreamMode[slot].byGetStreamType = 0;
    let union = (&raw mut answer.struStreamMode[slot].uGetStream).cast::<IpChanInfo>();
    // SAFETY: the union is larger than this variant of it, and the variant consists of bytes.
    unsafe { union.write_unaligned(info) };
}

fn camera(ip_id: u16) -> IpDevInfoV31 {
    let mut camera = IpDevInfoV31 {
        byEnable: 1,
        wDVRPort: 8000,
        ..Layout::zeroed()
    };
    fill(&mut camera.sUserName, "admin");
    fill(
        &mut camera.struIP.sIpV4,
        &format!("192.168.254.{}", ip_id % 250 + 2),
    );
    camera
}

/// Connection state of every input.
pub fn channel_states(device: &Device) -> DigitalChannelState {
    const CONNECTED: u8 = 1;
    const UNREACHABLE: u8 = 10;
    let mut answer = DigitalChannelState {
        dwSize: size_of::<DigitalChannelState>() as u32,
        ..Layout::zeroed()
    };
    for channel in &device.channels {
        let state = if channel.online {
            CONNECTED
        } else {
            UNREACHABLE
        };
        let (array, slot): (&mut [u8], u32) = if device.is_digital(channel.number) {
            match channel.number - u32::from(device.first_digital) {
                slot @ 0..GROUP => (&mut answer.byDigitalChanState, slot),
                slot => (&mut answer.byDigitalChanStateEx, slot - GROUP),
            }
        } else {
            (
                &mut answer.byAnalogChanState,
                channel.number - u32::from(device.first_analog),
            )
        };
        if let Some(place) = array.get_mut(slot as usize) {
            *place = state;
        }
    }
    answer
}

/// The disks.
pub fn disks(device: &Device) -> HdCfg {
    let mut answer = HdCfg {
        dwSize: size_of::<HdCfg>() as u32,
        ..Layout::zeroed()
    };
    for (n, (place, disk)) in answer.struHDInfo.iter_mut().zip(&device.disks).enumerate() {
        *place = SingleHd {
            dwHDNo: n as u32 + 1,
            dwCapacity: disk.capacity_mb,
            dwFreeSpace: disk.free_mb,
            dwHdStatus: disk.status,
            byRecycling: 1,
            ..Layout::zeroed()
        };
    }
    answer.dwHDCount = device.disks.len().min(answer.struHDInfo.len()) as u32;
    answer
}

/// Model, serial number and inputs.
pub fn device(device: &Device) -> DeviceCfgV40 {
    let mut answer = DeviceCfgV40 {
        dwSize: size_of::<DeviceCfgV40>() as u32,
        dwRecycleRecord: 1,
        byDiskNum: device.disks.len().min(255) as u8,
        byChanNum: device.analog_channels,
        byStartChan: device.first_analog,
        byIPChanNum: (device.digital_count() % 256) as u8,
        byHighIPChanNum: (device.digital_count() / 256) as u8,
        wDevType: device.dev_type,
        ..Layout::zeroed()
    };
    fill(&mut answer.sDVRName, "Network Video Recorder");
    fill(&mut answer.sSerialNumber, &device.serial);
    fill(&mut answer.byDevTypeName, &device.model);
    answer
}

/// The first bytes of a picture configuration, where the name of the channel is, zeros up to `bytes`.
pub fn picture(device: &Device, channel: u32, bytes: usize) -> Option<Vec<u8>> {
    if !device.has_channel(channel) {
        return None;
    }
    let mut answer = vec![0; bytes];
    answer[..4].copy_from_slice(&(bytes as u32).to_ne_bytes());
    let name = device
        .channel(channel)
        .map(|channel| channel.name.as_str())
        .unwrap_or_default();
    fill_bytes(&mut answer[4..36], &device.encode(name));
    Some(answer)
}

/// Pages of the HTTP side that the SDK passes through; nothing for those that are not modelled.
pub fn page(device: &Device, request: &str) -> Option<String> {
    let (method, path) = request
        .trim_end_matches(['\0', '\r', '\n'])
        .split_once(' ')?;
    if method != "GET" {
        return None;
    }
    let body = match path.split('?').next()? {
        "/ISAPI/System/deviceInfo" => format!(
            "<DeviceInfo version=\"2.0\" xmlns=\"http://www.isapi.org/ver20/XMLSchema\">\n\
             <deviceName>Network Video Recorder</deviceName>\n<model>{}</model>\n<serialNumber>{}</serialNumber>\n\
             <firmwareVersion>{}</firmwareVersion>\n<deviceType>NVR</deviceType>\n</DeviceInfo>\n",
            escape(&device.model),
            escape(&device.serial),
            escape(&device.firmware),
        ),
        "/ISAPI/System/time" => {
            let minutes = device.clock().offset_minutes(jiff::Timestamp::now());
            let sign = if minutes < 0 { '-' } else { '+' };
            format!(
                "<Time version=\"2.0\" xmlns=\"http://www.isapi.org/ver20/XMLSchema\">\n<timeMode>manual</timeMode>\n\
                 <localTime>{}{sign}{:02}:{:02}</localTime>\n<timeZone>{}</timeZone>\n</Time>\n",
                device.clock().now().strftime("%Y-%m-%dT%H:%M:%S"),
                minutes.abs() / 60,
                minutes.abs() % 60,
                escape(&device.zone),
            )
        }
        "/ISAPI/ContentMgmt/InputProxy/channels" => {
            let channels: String = device
                .channels
                .iter()
                .filter(|channel| device.is_digital(channel.number))
                .map(|channel| {
                    let id = channel.number - u32::from(device.first_digital) + 1;
                    format!(
                        "<InputProxyChannel><id>{id}</id><name>{}</name></InputProxyChannel>\n",
                        escape(&channel.name)
                    )
                })
                .collect();
            format!("<InputProxyChannelList version=\"2.0\">\n{channels}</InputProxyChannelList>\n")
        }
        _ => return None,
    };
    Some(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}"
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Channel;

    fn channel(number: u32, ip_id: Option<u16>, online: bool) -> Channel {
        Channel {
            number,
            ip_id,
            online,
            ..Channel::default()
        }
    }

    fn ip_id(answer: &IpParaCfgV40, slot: usize) -> (u8, u32) {
        let union = &answer.struStreamMode[slot].uGetStream.words;
        let bytes = union[0].to_le_bytes();
        (bytes[0], u32::from(bytes[1]) + 256 * u32::from(bytes[3]))
    }

    #[test]
    fn cameras_are_found_by_their_id_and_not_by_their_channel() {
        let device = Device {
            address: "192.0.2.1".to_string(),
            digital_channels: Some(128),
            channels: vec![
                channel(33, Some(7), true),
                channel(36, Some(2), false),
                channel(100, Some(300), true),
            ],
            ..Device::default()
        };
        let first = ip_channels(&device, 0).unwrap();
        assert_eq!(
            (first.dwGroupNum, first.dwDChanNum, first.dwStartDChan),
            (2, 128, 33)
        );
        assert_eq!(ip_id(&first, 0), (1, 7));
        assert_eq!(ip_id(&first, 1), (0, 0));
        assert_eq!(ip_id(&first, 3), (0, 2));
        assert_eq!(
            (
                first.struIPDevInfo[6].byEnable,
                first.struIPDevInfo[1].byEnable
            ),
            (1, 1)
        );
        assert_eq!(first.struIPDevInfo[0].byEnable, 0);
        let second = ip_channels(&device, 1).unwrap();
        assert_eq!(ip_id(&second, 3), (1, 300));
        assert!(ip_channels(&device, 2).is_none());
        let states = channel_states(&device);
        assert_eq!(
            (states.byDigitalChanState[0], states.byDigitalChanState[3]),
            (1, 10)
        );
        assert_eq!(states.byDigitalChanStateEx[3], 1);
    }
}
