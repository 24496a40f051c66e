# Written by policyc from edge.yaml. Do not edit: change the policy and build again.
# Address and key of the firewall or Panorama: PANOS_HOSTNAME, PANOS_API_KEY.
# Import the certificates first (import-certificates.sh): rules name them.

terraform {
  required_version = ">= 1.8"

  required_providers {
    panos = {
      source  = "PaloAltoNetworks/panos"
      version = "~> 2.0"
    }
  }
}

provider "panos" {}

resource "panos_administrative_tag" "policyc" {
  for_each = {
    policyc = {
      color    = "color3"
      comments = "Written by policyc from edge.yaml; change that"
    }
    edge_apps = {
      color    = "color3"
      comments = "edge.yaml: sites.apps"
    }
    edge_shop = {
      color    = "color3"
      comments = "edge.yaml: sites.shop"
    }
    edge_legacy = {
      color    = "color3"
      comments = "edge.yaml: sites.legacy"
    }
  }
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  name     = each.key
  color    = each.value.color
  comments = each.value.comments
}

resource "panos_addresses" "policyc" {
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  addresses = {
    "edge_host-10-20-0-10" = {
      ip_netmask  = "10.20.0.10"
      description = "edge.yaml: sites.apps, sites.shop"
      tags = [
        "policyc",
        "edge_apps",
        "edge_shop",
      ]
    }
    "edge_host-10-20-0-11" = {
      ip_netmask  = "10.20.0.11"
      description = "edge.yaml: sites.apps, sites.shop"
      tags = [
        "policyc",
        "edge_apps",
        "edge_shop",
      ]
    }
    "edge_host-203-0-113-10" = {
      ip_netmask  = "203.0.113.10"
      description = "edge.yaml: sites.apps, sites.shop"
      tags = [
        "policyc",
        "edge_apps",
        "edge_shop",
      ]
    }
    "edge_host-10-20-0-30" = {
      ip_netmask  = "10.20.0.30"
      description = "edge.yaml: sites.legacy"
      tags = [
        "policyc",
        "edge_legacy",
      ]
    }
    "edge_host-203-0-113-11" = {
      ip_netmask  = "203.0.113.11"
      description = "edge.yaml: sites.legacy"
      tags = [
        "policyc",
        "edge_legacy",
      ]
    }
    "edge_net-192-0-2-0-24" = {
      ip_netmask  = "192.0.2.0/24"
      description = "edge.yaml: inspection_rules.known-scanners[0]"
      tags        = ["policyc"]
    }
  }
  depends_on = [panos_administrative_tag.policyc]
}

resource "panos_address_group" "policyc" {
  for_each = {
    "edge_203-0-113-10-443_servers" = {
      static = [
        "edge_host-10-20-0-10",
        "edge_host-10-20-0-11",
      ]
      description = "edge.yaml: sites.apps, sites.shop"
      tag = [
        "policyc",
        "edge_apps",
        "edge_shop",
      ]
    }
  }
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  name        = each.key
  static      = each.value.static
  description = each.value.description
  tag         = each.value.tag
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
  ]
}

resource "panos_service" "policyc" {
  for_each = {
    "edge_tcp-443" = {
      protocol = {
        tcp = {
          destination_port = "443"
        }
      }
      description = "edge.yaml: sites.apps, sites.shop, sites.legacy"
      tags = [
        "policyc",
        "edge_apps",
        "edge_shop",
        "edge_legacy",
      ]
    }
    "edge_udp-443" = {
      protocol = {
        udp = {
          destination_port = "443"
        }
      }
      description = "edge.yaml: sites.apps, sites.shop"
      tags = [
        "policyc",
        "edge_apps",
        "edge_shop",
      ]
    }
  }
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  name        = each.key
  protocol    = each.value.protocol
  description = each.value.description
  tags        = each.value.tags
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
    panos_address_group.policyc,
  ]
}

resource "panos_custom_url_category" "policyc" {
  for_each = {
    "edge_203-0-113-10-443__fee8ef72" = {
      description = "edge.yaml: sites.apps"
      list        = ["^.apps.example.com/"]
      type        = "URL List"
    }
    "edge_203-0-113-10-443_shop" = {
      description = "edge.yaml: sites.shop"
      list = [
        "shop.example.com/",
        "www.shop.example.com/",
      ]
      type = "URL List"
    }
  }
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  name        = each.key
  description = each.value.description
  list        = each.value.list
  type        = each.value.type
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
    panos_address_group.policyc,
    panos_service.policyc,
  ]
}

resource "panos_decryption_profile" "policyc" {
  for_each = {
    edge_public = {
      ssl_inbound_proxy = {
        block_unsupported_version         = true
        block_unsupported_cipher          = true
        block_if_no_resource              = true
        block_if_hsm_unavailable          = true
        block_tls13_downgrade_no_resource = true
      }
      ssl_protocol_settings = {
        min_version                = "tls1-2"
        max_version                = "max"
        keyxchg_algo_rsa           = false
        keyxchg_algo_dhe           = false
        keyxchg_algo_ecdhe         = true
        enc_algo_3des              = false
        enc_algo_rc4               = false
        enc_algo_aes_128_cbc       = false
        enc_algo_aes_256_cbc       = false
        enc_algo_aes_128_gcm       = true
        enc_algo_aes_256_gcm       = true
        enc_algo_chacha20_poly1305 = true
        auth_algo_md5              = false
        auth_algo_sha1             = false
        auth_algo_sha256           = true
        auth_algo_sha384           = true
      }
    }
  }
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  name                  = each.key
  ssl_inbound_proxy     = each.value.ssl_inbound_proxy
  ssl_protocol_settings = each.value.ssl_protocol_settings
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
    panos_address_group.policyc,
    panos_service.policyc,
    panos_custom_url_category.policyc,
  ]
}

resource "panos_nat_policy_rules" "policyc" {
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  position = {
    where = "first"
  }
  rules = [
    {
      name                  = "edge_203-0-113-10-443"
      source_zones          = ["untrust"]
      destination_zone      = ["untrust"]
      source_addresses      = ["any"]
      destination_addresses = ["edge_host-203-0-113-10"]
      service               = "edge_tcp-443"
      nat_type              = "ipv4"
      dynamic_destination_translation = {
        translated_address = "edge_203-0-113-10-443_servers"
        translated_port    = 8443
        distribution       = "source-ip-hash"
      }
      tag = [
        "policyc",
        "edge_apps",
        "edge_shop",
      ]
      description = "edge.yaml: sites.apps, sites.shop"
    },
    {
      name                  = "edge_203-0-113-11-443"
      source_zones          = ["untrust"]
      destination_zone      = ["untrust"]
      source_addresses      = ["any"]
      destination_addresses = ["edge_host-203-0-113-11"]
      service               = "edge_tcp-443"
      nat_type              = "ipv4"
      destination_translation = {
        translated_address = "edge_host-10-20-0-30"
      }
      tag = [
        "policyc",
        "edge_legacy",
      ]
      description = "edge.yaml: sites.legacy"
    },
  ]
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
    panos_address_group.policyc,
    panos_service.policyc,
    panos_custom_url_category.policyc,
    panos_decryption_profile.policyc,
  ]
}

resource "panos_decryption_policy_rules" "policyc" {
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  position = {
    where = "first"
  }
  rules = [
    {
      name                  = "edge_203-0-113-10-443_shop"
      source_zones          = ["untrust"]
      destination_zones     = ["dmz"]
      source_addresses      = ["any"]
      source_user           = ["any"]
      destination_addresses = ["edge_host-203-0-113-10"]
      services              = ["edge_tcp-443"]
      category              = ["edge_203-0-113-10-443_shop"]
      action                = "decrypt"
      type = {
        ssl_inbound_inspection = {
          certificates = ["edge_shop_7469b790"]
        }
      }
      profile     = "edge_public"
      log_success = true
      log_fail    = true
      log_setting = "to-siem"
      tag = [
        "policyc",
        "edge_shop",
      ]
      description = "edge.yaml: sites.shop"
    },
    {
      name                  = "edge_203-0-113-11-443_passthrough"
      source_zones          = ["untrust"]
      destination_zones     = ["dmz"]
      source_addresses      = ["any"]
      source_user           = ["any"]
      destination_addresses = ["edge_host-203-0-113-11"]
      services              = ["edge_tcp-443"]
      category              = ["any"]
      action                = "no-decrypt"
      type = {
        ssl_forward_proxy = {}
      }
      log_success = true
      log_fail    = true
      log_setting = "to-siem"
      tag = [
        "policyc",
        "edge_legacy",
      ]
      description = "edge.yaml: sites.legacy"
    },
    {
      name                  = "edge_203-0-113-10-443_apps_wildcards"
      source_zones          = ["untrust"]
      destination_zones     = ["dmz"]
      source_addresses      = ["any"]
      source_user           = ["any"]
      destination_addresses = ["edge_host-203-0-113-10"]
      services              = ["edge_tcp-443"]
      category              = ["edge_203-0-113-10-443__fee8ef72"]
      action                = "decrypt"
      type = {
        ssl_inbound_inspection = {
          certificates = ["edge_apps_d5457363"]
        }
      }
      profile     = "edge_public"
      log_success = true
      log_fail    = true
      log_setting = "to-siem"
      tag = [
        "policyc",
        "edge_apps",
      ]
      description = "edge.yaml: sites.apps"
    },
    {
      name                  = "edge_203-0-113-10-443"
      source_zones          = ["untrust"]
      destination_zones     = ["dmz"]
      source_addresses      = ["any"]
      source_user           = ["any"]
      destination_addresses = ["edge_host-203-0-113-10"]
      services              = ["edge_tcp-443"]
      category              = ["any"]
      action                = "decrypt"
      type = {
        ssl_inbound_inspection = {
          certificates = [
            "edge_apps_d5457363",
            "edge_shop_7469b790",
          ]
        }
      }
      profile     = "edge_public"
      log_success = true
      log_fail    = true
      log_setting = "to-siem"
      tag = [
        "policyc",
        "edge_apps",
        "edge_shop",
      ]
      description = "edge.yaml: sites.apps, sites.shop"
    },
  ]
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
    panos_address_group.policyc,
    panos_service.policyc,
    panos_custom_url_category.policyc,
    panos_decryption_profile.policyc,
    panos_nat_policy_rules.policyc,
  ]
}

resource "panos_security_policy_rules" "policyc" {
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  position = {
    where = "first"
  }
  rules = [
    {
      name                  = "edge_quic_udp"
      source_zones          = ["untrust"]
      destination_zones     = ["any"]
      source_addresses      = ["any"]
      source_users          = ["any"]
      destination_addresses = ["edge_host-203-0-113-10"]
      services              = ["edge_udp-443"]
      category              = ["any"]
      applications          = ["any"]
      action                = "deny"
      log_end               = true
      log_setting           = "to-siem"
      tag = [
        "policyc",
        "edge_apps",
        "edge_shop",
      ]
      description = "edge.yaml: sites.apps, sites.shop"
    },
    {
      name                  = "edge_quic"
      source_zones          = ["untrust"]
      destination_zones     = ["any"]
      source_addresses      = ["any"]
      source_users          = ["any"]
      destination_addresses = ["edge_host-203-0-113-10"]
      services              = ["any"]
      category              = ["any"]
      applications          = ["quic"]
      action                = "deny"
      log_end               = true
      log_setting           = "to-siem"
      tag = [
        "policyc",
        "edge_apps",
        "edge_shop",
      ]
      description = "edge.yaml: sites.apps, sites.shop"
    },
    {
      name                  = "edge_apps_known-scanners-1"
      source_zones          = ["untrust"]
      destination_zones     = ["dmz"]
      source_addresses      = ["edge_net-192-0-2-0-24"]
      source_users          = ["any"]
      destination_addresses = ["edge_host-203-0-113-10"]
      services              = ["edge_tcp-443"]
      category              = ["any"]
      applications          = ["any"]
      action                = "reset-both"
      log_end               = true
      log_setting           = "to-siem"
      tag = [
        "policyc",
        "edge_apps",
      ]
      description = "edge.yaml: sites.apps, inspection_rules.known-scanners[0]"
    },
    {
      name                  = "edge_shop_known-scanners-1"
      source_zones          = ["untrust"]
      destination_zones     = ["dmz"]
      source_addresses      = ["edge_net-192-0-2-0-24"]
      source_users          = ["any"]
      destination_addresses = ["edge_host-203-0-113-10"]
      services              = ["edge_tcp-443"]
      category              = ["any"]
      applications          = ["any"]
      action                = "reset-both"
      log_end               = true
      log_setting           = "to-siem"
      tag = [
        "policyc",
        "edge_shop",
      ]
      description = "edge.yaml: sites.shop, inspection_rules.known-scanners[0]"
    },
    {
      name                  = "edge_203-0-113-10-443"
      source_zones          = ["untrust"]
      destination_zones     = ["dmz"]
      source_addresses      = ["any"]
      source_users          = ["any"]
      destination_addresses = ["edge_host-203-0-113-10"]
      services              = ["edge_tcp-443"]
      category              = ["any"]
      applications = [
        "ssl",
        "web-browsing",
      ]
      action = "allow"
      profile_setting = {
        group = ["Inbound-Strict"]
      }
      log_end     = true
      log_setting = "to-siem"
      tag = [
        "policyc",
        "edge_apps",
        "edge_shop",
      ]
      description = "edge.yaml: sites.apps, sites.shop"
    },
    {
      name                  = "edge_203-0-113-11-443"
      source_zones          = ["untrust"]
      destination_zones     = ["dmz"]
      source_addresses      = ["any"]
      source_users          = ["any"]
      destination_addresses = ["edge_host-203-0-113-11"]
      services              = ["edge_tcp-443"]
      category              = ["any"]
      applications          = ["ssl"]
      action                = "allow"
      log_end               = true
      log_setting           = "to-siem"
      tag = [
        "policyc",
        "edge_legacy",
      ]
      description = "edge.yaml: sites.legacy"
    },
  ]
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
    panos_address_group.policyc,
    panos_service.policyc,
    panos_custom_url_category.policyc,
    panos_decryption_profile.policyc,
    panos_nat_policy_rules.policyc,
    panos_decryption_policy_rules.policyc,
  ]
}
